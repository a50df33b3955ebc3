import { assert, layer } from "@effect/vitest"
import { Array, Effect } from "effect"
import {
  assert as check,
  asyncProperty,
  constantFrom,
  jsonValue,
  oneof,
  string,
  tuple,
} from "fast-check"
import { server } from "../fixtures/Callers.ts"
import { type Http } from "../fixtures/Http.ts"
import { naughtyStrings } from "../fixtures/NaughtyStrings.ts"
import { newOwner } from "../fixtures/Owners.ts"
import { frame, framesIn, post, rpcToken } from "../fixtures/Rpc.ts"
import { bodyFor, type Ids, methods } from "../Verdicts.ts"

/** All inputs that differ from a good one in one text, which is this one. */
const inputsWith = (text: string, ids: Ids) =>
  Object.entries(methods).flatMap(([tag, { input }]) => {
    const good = Object.entries(bodyFor(input, ids))
    return good.flatMap(([name, value], at) =>
      typeof value === "string"
        ? [[tag, Object.fromEntries(good.with(at, [name, text]))] as const]
        : [],
    )
  })

/** Calls that ended in a bug. */
const bugsIn = (text: string) =>
  framesIn(text)
    .map((line) => JSON.stringify(line))
    .filter((line) => /"_tag":"(?:Die|Defect|Interrupt)"/.test(line))

const tags = Object.keys(methods)

/** A payload of JSON to some method; or lines of nothing in particular. */
const bodies = oneof(
  {
    weight: 4,
    arbitrary: tuple(constantFrom(...tags), jsonValue()).map(([tag, json]) => frame(tag, json)),
  },
  jsonValue().map((json) => `${JSON.stringify(json)}\n`),
  string({ unit: "binary" }),
)

layer(server({ RPC_TOKEN: rpcToken, RATE_LIMIT_AI: "1000000/second" }), {
  excludeTestServices: true,
})("Hostile input", (it) => {
  it.effect(
    "in a text of a call is never a bug",
    () =>
      Effect.gen(function* () {
        const { ids } = yield* newOwner
        const calls = naughtyStrings.flatMap((text) => inputsWith(text, ids))
        const isMove = ([tag]: (typeof calls)[number]) => tag === "users.relink"
        // Who gets another id is gone for the calls beside it.
        for (const kind of [calls.filter(isMove), calls.filter((call) => !isMove(call))]) {
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

  it.effect("of any form is never a bug, nor our failure", () =>
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
