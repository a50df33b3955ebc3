import { Option, Schema } from "effect"

/**
 * A JSON list of origins exactly as browsers send them (WHATWG HTML, "serialization of an origin"). Origins are
 * compared as text, so any other spelling would never match. The message names each problem by its position, without
 * the value.
 */
export const OriginList = Schema.String.check(
  Schema.makeFilter((text) => {
    const origins = Option.getOrUndefined(decode(text))
    if (origins === undefined) {
      return 'must be a JSON list of origins, like ["https://app.example.com"]'
    }
    const problems = origins.flatMap((origin, index) => {
      const first = origins.indexOf(origin)
      const problem = first < index ? `repeats origin ${first + 1}: remove it` : problemOf(origin)
      return problem === undefined ? [] : [`origin ${index + 1} ${problem}`]
    })
    return problems.length === 0 || problems.join("; ")
  }),
)

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Array(Schema.String)))

/** Returns the origins of a valid `OriginList`. */
export const originsIn = (text: string): ReadonlyArray<string> =>
  Option.getOrElse(decode(text), () => [])

const problemOf = (origin: string) =>
  rules.find(([form]) => form.test(origin))?.[1] ??
  (isOrigin(origin) ? undefined : "is not an origin: write it like https://app.example.com")

/** The first rule that matches is reported. */
const rules: ReadonlyArray<readonly [form: RegExp, problem: string]> = [
  [/\*/, "has a wildcard: list every origin exactly, because credentials are allowed"],
  [/[\s\p{Cc}]/u, "has white space: remove it"],
  [/^null$/i, "is sent by any sandboxed page: remove it"],
  [/^(?![a-z][a-z\d+.-]*:\/\/)/i, "has no scheme: write https:// or http:// before the host"],
  [
    /^(?:wss?|ftp|file|data|blob|about|javascript):/i,
    "has a scheme that no web page has: write https:// or http://",
  ],
  [/[?#]/, "has a query or a fragment: end it after the host and port"],
  [/:\/\/[^/]*\/$/, "ends with a slash: remove it"],
  [/:\/\/[^/]*\//, "has a path: end it after the host and port"],
  [/@/, "has a user name: remove it"],
  [/\P{ASCII}/u, "has a host outside ASCII: write it in punycode (xn--), as browsers send it"],
  [/\p{Lu}/u, "has capital letters: write it in lower case, as browsers send it"],
  [/^(?:http:.*:80|https:.*:443)$/, "names the default port: remove it, as browsers do"],
]

/** Accepts custom schemes, because apps use them, as in capacitor://localhost. */
const isOrigin = (origin: string) =>
  /^https?:/.test(origin)
    ? URL.canParse(origin) && new URL(origin).origin === origin
    : /^[^:]+:\/\/[\w.-]+(?::\d+)?$/.test(origin)
