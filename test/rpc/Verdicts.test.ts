import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SecureRandom } from "effect/crypto"
import { Rpcs } from "../../src/rpc/Rpcs.ts"
import { server } from "../fixtures/http/Callers.ts"
import { failureOf } from "../fixtures/http/Http.ts"
import { newOwner, tokenOf } from "../fixtures/http/Owners.ts"
import { frame, framesIn, post, rpcToken } from "../fixtures/http/Rpc.ts"
import { bodyFor, callers, type Ids, methods } from "../Verdicts.ts"

const tags = [...Rpcs.requests.keys()]

/** The table, which the contract types, widened for lookups by any name. */
const rows: Readonly<Record<string, (typeof methods)[keyof typeof methods]>> = methods

const rowOf = (tag: string) => {
  const row = rows[tag]
  assert(row !== undefined, `${tag} has no row in test/Verdicts.ts`)
  return row
}

interface Exit {
  readonly exit: {
    readonly _tag: string
    readonly cause?: ReadonlyArray<{ readonly error?: { readonly error: { code: string } } }>
  }
}

/** Returns "success" or the code of the failure. Without a result it is the code of the envelope. */
const outcomeOf = (tag: string, ids: Ids, token: string | undefined) =>
  Effect.map(
    post({ body: frame(tag, bodyFor(rowOf(tag).input, ids)), token: token ?? "" }),
    (answer) => {
      if (answer.status !== 200) return failureOf(answer).code
      const { exit } = framesIn(answer.text).at(-1) as Exit
      return exit._tag === "Success" ? "success" : (exit.cause?.[0]?.error?.error.code ?? "a bug")
    },
  )

describe("test/Verdicts.ts", () => {
  it("has exactly one row per method of the contract", () => {
    assert.deepStrictEqual(Object.keys(methods).toSorted(), tags.toSorted())
  })
})

layer(server({ RPC_TOKEN: rpcToken }), { excludeTestServices: true })(
  "The permissions of RPC",
  (it) => {
    for (const tag of tags) {
      it.effect(`are those of test/Verdicts.ts for ${tag}`, () =>
        Effect.gen(function* () {
          for (const caller of callers) {
            const { ids, owner } = yield* newOwner
            assert.strictEqual(
              yield* outcomeOf(tag, ids, yield* tokenOf(caller, owner)),
              caller === "service" ? rowOf(tag).outcome : "AUTHENTICATION_ERROR",
              caller,
            )
          }
        }),
      )
    }

    for (const tag of tags.filter((tag) => ownedBy(tag) !== undefined)) {
      it.effect(`hide a project from callers of ${tag} who name another owner`, () =>
        Effect.gen(function* () {
          const [mine, others] = [yield* newOwner, yield* newOwner]
          const hidden = { ...mine.ids, project_id: others.ids["project_id"] ?? "" }
          const missing = { ...mine.ids, project_id: SecureRandom.uuidV7Unsafe() }
          for (const ids of [hidden, missing]) {
            assert.strictEqual(yield* outcomeOf(tag, ids, rpcToken), "NOT_FOUND")
          }
          assert.strictEqual(yield* outcomeOf(tag, others.ids, rpcToken), "success")
        }),
      )
    }
  },
)

/** Returns the parameter of the project in the input of a method. */
const ownedBy = (tag: string) =>
  Object(bodyFor(rowOf(tag).input, { project_id: "p", user_id: "u" })).id === "p" ? "p" : undefined
