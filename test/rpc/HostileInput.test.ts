import { assert, layer } from "@effect/vitest"
import { Array, Effect } from "effect"
import {
  assert as check,
  asyncProperty,
  constantFrom,
  integer,
  jsonValue,
  oneof,
  string,
  tuple,
} from "fast-check"
import { server } from "../fixtures/http/Callers.ts"
import { assertBounded, hostileJson } from "../fixtures/data/HostileJson.ts"
import { failureOf, type Http } from "../fixtures/http/Http.ts"
import { naughtyStrings } from "../fixtures/data/NaughtyStrings.ts"
import { newOwner } from "../fixtures/http/Owners.ts"
import { frame, framesIn, post, rpcToken } from "../fixtures/http/Rpc.ts"
import { bodyFor, type Ids, methods } from "../Verdicts.ts"

/** Returns every valid input with one of its texts replaced by this one. */
const inputsWith = (text: string, ids: Ids) =>
  Object.entries(methods).flatMap(([tag, { input }]) => {
    const good = Object.entries(bodyFor(input, ids))
    return good.flatMap(([name, value], at) =>
      typeof value === "string"
        ? [[tag, Object.fromEntries(good.with(at, [name, text]))] as const]
        : [],
    )
  })

/** Returns the results of calls that ended in a defect. */
const bugsIn = (text: string) =>
  framesIn(text)
    .map((line) => JSON.stringify(line))
    .filter((line) => /"_tag":"(?:Die|Defect|Interrupt)"/.test(line))

const tags = Object.keys(methods)

/** A call with any JSON as payload, or any text. */
const bodies = oneof(
  {
    weight: 4,
    arbitrary: tuple(constantFrom(...tags), jsonValue()).map(([tag, json]) => frame(tag, json)),
  },
  jsonValue().map((json) => `${JSON.stringify(json)}\n`),
  string({ unit: "binary" }),
)

/** Batches of up to 100 equal calls with ids of the maximum length, and one hostile input. */
const batches = tuple(
  constantFrom(...Object.entries(methods)),
  constantFrom(1, 2, 99, 100),
  hostileJson,
  hostileJson,
  integer({ min: 0, max: 3 }),
).map(([[tag, { input }], calls, whole, part, at]) => {
  const members = Object.entries(bodyFor(input, anyone))
  const [name] = members[at] ?? []
  const payload = name === undefined ? whole : Object.fromEntries([...members, [name, part]])
  return Array.makeBy(calls, (call) => frame(tag, payload, String(call).padStart(128, "-"))).join(
    "",
  )
})

/** Ids that do not exist. */
const anyone: Ids = new Proxy({}, { get: () => "none" })

/** Returns the details of the declared failures in an answer, and the lines that contain them. */
const failuresIn = (text: string) => {
  const lines = text.split("\n").filter((line) => line.includes('"_tag":"Failure"'))
  const details = lines.map((line) => Object(JSON.parse(line)).exit.cause[0].error.error.details)
  return { text: lines.join("\n"), details }
}

const pathsIn = (text: string) =>
  failuresIn(text).details.map(({ issues }) =>
    issues.map(({ path }: { readonly path: string }) => path),
  )

/** Returns a call with two issues. */
const bad = (id: number) => frame("users.create", { id: "", role: "king" }, id)

layer(server({ RPC_TOKEN: rpcToken, RATE_LIMIT_AI: "1000000/second" }), {
  excludeTestServices: true,
})("Hostile input", (it) => {
  it.effect(
    "no text of a call causes a defect",
    () =>
      Effect.gen(function* () {
        const { ids } = yield* newOwner
        const calls = naughtyStrings.flatMap((text) => inputsWith(text, ids))
        const isRelink = ([tag]: (typeof calls)[number]) => tag === "users.relink"
        // Relinking changes the id of the user, so it gets batches of its own.
        for (const kind of [calls.filter(isRelink), calls.filter((call) => !isRelink(call))]) {
          for (const some of Array.chunksOf(kind, 100)) {
            const body = some.map(([tag, input], at) => frame(tag, input, at)).join("")
            const { status, text } = yield* post({ body })
            assert.strictEqual(status, 200)
            assert.deepStrictEqual(bugsIn(text), [])
          }
        }
      }),
    120_000,
  )

  it.effect("gets an answer of bounded size for all calls of a body together", () =>
    Effect.gen(function* () {
      const run = Effect.runPromiseWith(yield* Effect.context<Http>())
      yield* Effect.promise(() =>
        check(
          asyncProperty(batches, (body) =>
            run(
              Effect.map(post({ body }), ({ status, text }) => {
                if (status !== 200) return assert.include([400, 413], status)
                const failures = failuresIn(text)
                assertBounded(failures.text, failures.details)
              }),
            ),
          ),
          { numRuns: 60 },
        ),
      )
    }),
  )

  it.effect("gets all issues of a single call, but only the first of each call in a batch", () =>
    Effect.gen(function* () {
      const alone = yield* post({ body: bad(1) })
      assert.deepStrictEqual(pathsIn(alone.text), [["id", "role"]])
      const together = yield* post({ body: bad(1) + bad(2) })
      assert.deepStrictEqual(pathsIn(together.text), [["id"], ["id"]])
    }),
  )

  it.effect("a hostile id is quoted shortened", () =>
    Effect.gen(function* () {
      const payload = { owner_id: "nobody", id: '"'.repeat(4000) }
      const lines = Array.makeBy(100, (call) => frame("projects.get", payload, call))
      const { text } = yield* post({ body: lines.join("") })
      const failures = failuresIn(text)
      assert.lengthOf(failures.details, 100)
      assertBounded(failures.text, failures.details)
      assert.include(text, `"id":"${'\\"'.repeat(100)}`)
    }),
  )

  it.effect("__proto__ in any line is refused", () =>
    Effect.gen(function* () {
      const good = [1, 2, 3].map((id) => frame("jobs.stats", {}, id))
      for (const key of ["__proto__", "\\u005f_pr\\u006Fto__"]) {
        const bad = `{"_tag":"Request","id":"bad","tag":"jobs.stats","payload":{"x":[{"${key}":1}]}}\n`
        for (const at of [0, 1, 2]) {
          const answer = yield* post({ body: good.with(at, bad).join("") })
          assert.strictEqual(answer.status, 400)
          assert.strictEqual(failureOf(answer).message, "The body has a __proto__ key")
        }
      }
      const values = "1,".repeat(50_000)
      const many = [1, 2].map((id) =>
        frame("jobs.stats", { x: 0 }, id).replace("0", `[${values}1]`),
      )
      assert.strictEqual((yield* post({ body: many.join("") })).status, 400)
      const text = good.with(1, frame("jobs.stats", { x: "__proto__" }, 2)).join("")
      assert.strictEqual((yield* post({ body: text })).status, 200)
    }),
  )

  it.effect("no body causes a defect or a 5xx", () =>
    Effect.gen(function* () {
      const run = Effect.runPromiseWith(yield* Effect.context<Http>())
      yield* Effect.promise(() =>
        check(
          asyncProperty(bodies, (body) =>
            run(
              Effect.map(post({ body }), ({ status, text }) => {
                assert.include([200, 400], status)
                if (status === 200) assert.deepStrictEqual(bugsIn(text), [])
              }),
            ),
          ),
          { numRuns: 500 },
        ),
      )
    }),
  )
})
