import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SecureRandom } from "effect/crypto"
import { HttpApi } from "effect/http-api"
import { Api } from "../../src/api/Api.ts"
import { server } from "../fixtures/http/Callers.ts"
import type { Answer } from "../fixtures/http/Answer.ts"
import { send } from "../fixtures/http/Http.ts"
import { newOwner, tokenOf } from "../fixtures/http/Owners.ts"
import { rpcToken } from "../fixtures/http/Rpc.ts"
import { bodyFor, callers, type Ids, owned, type Verdict, verdicts } from "../Verdicts.ts"

interface Operation {
  readonly id: string
  readonly method: string
  readonly path: string
}

const operations: Array<Operation> = []
HttpApi.reflect(Api, {
  onGroup: () => undefined,
  onEndpoint: ({ endpoint: { identifier, method, path }, group }) => {
    operations.push({
      id: `${group.identifier}.${identifier}`,
      method,
      path: path.replace(/\/$/, ""),
    })
  },
})

const rowOf = (operation: Operation): Verdict => {
  const row = verdicts[operation.id]
  assert(row !== undefined, `${operation.id} has no row in test/Verdicts.ts`)
  return row
}

describe("test/Verdicts.ts", () => {
  it("has exactly one row per operation of the contract", () => {
    assert.deepStrictEqual(
      Object.keys(verdicts).toSorted(),
      operations.map(({ id }) => id).toSorted(),
    )
  })
})

const call = ({ id, method, path }: Operation, ids: Ids, token: string | undefined) =>
  send({
    method,
    path: `${path.replaceAll(/:(\w+)/g, (parameter, name: string) => ids[name] ?? parameter)}?${verdicts[id]?.query ?? ""}`,
    token,
    ...(verdicts[id]?.body !== undefined && { json: bodyFor(verdicts[id].body, ids) }),
  })

layer(server({ RPC_TOKEN: rpcToken }), { excludeTestServices: true })(
  "The permissions of REST",
  (it) => {
    for (const operation of operations) {
      it.effect(`are those of test/Verdicts.ts for ${operation.method} ${operation.path}`, () =>
        Effect.gen(function* () {
          const found: Record<string, number> = {}
          for (const caller of callers) {
            const { ids, owner } = yield* newOwner
            const answer = yield* call(operation, ids, yield* tokenOf(caller, owner))
            found[caller] = answer.status
          }
          assert.deepStrictEqual(found, rowOf(operation).statuses)
        }),
      )
    }

    for (const operation of operations) {
      const name = ownedIn(operation.path)
      if (name === undefined) continue
      it.effect(`hide resources of other users in ${operation.id}`, () =>
        Effect.gen(function* () {
          const { ids, owner } = yield* newOwner
          const missing = { ...ids, [name]: SecureRandom.uuidV7Unsafe() }
          for (const caller of ["other", "admin", "superadmin"] as const) {
            const token = yield* tokenOf(caller, owner)
            const hidden = yield* call(operation, ids, token)
            const unknown = yield* call(operation, missing, token)
            assert.deepStrictEqual(shape(hidden, ids[name]), shape(unknown, missing[name]))
          }
        }),
      )
    }

    for (const operation of operations.filter(({ path }) => path.includes("/admin/"))) {
      it.effect(`hide from users whether the target of ${operation.id} exists`, () =>
        Effect.gen(function* () {
          const { ids, owner } = yield* newOwner
          const unknown = SecureRandom.uuidV7Unsafe()
          const missing = { ...ids, id: unknown, job_id: unknown }
          const token = yield* tokenOf("other", owner)
          assert.deepStrictEqual(
            shape(yield* call(operation, ids, token)),
            shape(yield* call(operation, missing, token)),
          )
        }),
      )
    }
  },
)

/** Returns the parameter of the owned resource in a path. */
const ownedIn = (path: string) => Object.keys(owned).find((name) => path.includes(`:${name}`))

/** Returns an answer without the parts that differ between equal requests. */
const shape = ({ headers, status, text }: Answer, id = "") => {
  const varying = /^(?:date|x-request-id|ratelimit|x-ratelimit-(?:reset|remaining))$/
  const rest = Object.entries(headers).filter(([name]) => !varying.test(name))
  return { status, headers: rest, text: text.replace(id, "<id>") }
}
