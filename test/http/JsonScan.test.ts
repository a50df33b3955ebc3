import { assert, describe, it } from "@effect/vitest"
import {
  array,
  assert as check,
  boolean,
  constantFrom,
  jsonValue,
  property,
  tuple,
} from "fast-check"
import { problemIn } from "../../src/http/JsonScan.ts"

const tooMany = "The body has more than 100,000 values"
const proto = "The body has a __proto__ key"

/** Finds `__proto__` keys with `JSON.parse`: slow, but certainly right. */
const hasProto = (text: string) => {
  let found = false
  JSON.parse(text, (key, value: unknown) => {
    found ||= key === "__proto__"
    return value
  })
  return found
}

/** Names equal or similar to `__proto__`, with each letter plain or as an escape in either case. */
const names = tuple(
  constantFrom(
    "__proto__",
    "__prot__",
    "__proto",
    "_proto__",
    "\\__proto__",
    "constructor",
    '"__proto__',
  ),
  array(constantFrom("plain", "lower", "upper"), { minLength: 10, maxLength: 10 }),
).map(([name, spellings]) =>
  Array.from(name, (letter, at) => {
    if (spellings[at] === "plain") return JSON.stringify(letter).slice(1, -1)
    const code = letter.charCodeAt(0).toString(16).padStart(4, "0")
    return `\\u${spellings[at] === "upper" ? code.toUpperCase() : code}`
  }).join(""),
)

/** JSON with such a name as a key or a value, among other values. */
const texts = tuple(names, boolean(), jsonValue(), constantFrom("", " ", "\n\t ")).map(
  ([name, isKey, other, blank]) => {
    const pair = isKey ? `"${name}"${blank}:${blank}1` : `"value":${blank}"${name}"${blank}`
    return `[${JSON.stringify(other)},{"a\\\\":"\\"",${pair}${blank}},${blank}"${name}"]`
  },
)

describe("problemIn", () => {
  it("finds __proto__ as a key, however it is escaped, and nowhere else", () => {
    check(
      property(texts, (text) => {
        assert.strictEqual(problemIn(text), hasProto(text) ? proto : undefined, text)
      }),
      { numRuns: 1000 },
    )
  })

  it("accepts any other JSON", () => {
    check(
      property(jsonValue({ maxDepth: 60 }), (value) => {
        const text = JSON.stringify(value, null, 1)
        assert.strictEqual(problemIn(text), hasProto(text) ? proto : undefined)
      }),
    )
  })

  /** Texts with the given number of values. */
  const shapes: Readonly<Record<string, (values: number) => string>> = {
    "a list": (values) => `[${Array.from({ length: values - 1 }, () => "1").join(",")}]`,
    "an object": (values) =>
      `{${Array.from({ length: values - 1 }, (_, n) => `"a,[${n}":"b]"`).join(" , ")}}`,
    "empty lists": (values) => `[${Array.from({ length: values - 1 }, () => "[ ]").join(",")}]`,
    "lists of one": (values) =>
      `[${Array.from({ length: (values - 2) / 2 }, () => "[{}]").join(",")},null]`,
    lines: (values) =>
      Array.from({ length: 100 }, () => `[${"[],".repeat(values / 100 - 2)}{}]`).join("\n"),
  }
  for (const [shape, text] of Object.entries(shapes)) {
    it(`counts the values of ${shape}`, () => {
      assert.isUndefined(problemIn(text(100_000)))
      const more = shape === "lists of one" || shape === "lines" ? 100_100 : 100_001
      assert.strictEqual(problemIn(text(more)), tooMany)
    })
  }

  it("terminates on unclosed quotes and unmatched brackets", () => {
    for (const text of ['{"a', '"\\', "]]]", '"\\"', "", "{]"]) assert.isUndefined(problemIn(text))
  })
})
