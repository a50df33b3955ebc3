import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Usage } from "../../src/business/usage/Usage.ts"
import { now } from "../../src/domain/Fields.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { type Caller, newCaller, server } from "../fixtures/http/Callers.ts"
import { bodyOf, failureOf, send } from "../fixtures/http/Http.ts"

const create = ({ token }: Caller) =>
  send({ path: "/api/v1/app/projects", token, json: { name: "Engine" } })

const totalOf = ({ token }: Caller) =>
  Effect.map(
    send({ path: "/api/v1/app/projects", token }),
    (answer) => bodyOf<{ readonly total: number }>(answer).total,
  )

layer(server({ PLAN_LIMITS: '{"free":{"projects":3}}' }), { excludeTestServices: true })(
  "A plan of three projects",
  (it) => {
    it.effect("admits three of twelve concurrent creations, and names the limit to the rest", () =>
      Effect.gen(function* () {
        const caller = yield* newCaller()
        const answers = yield* Effect.all(
          Array.from({ length: 12 }, () => create(caller)),
          { concurrency: "unbounded" },
        )
        const refused = answers.filter(({ status }) => status !== 201)
        assert.lengthOf(refused, 9)
        for (const answer of refused) {
          assert.strictEqual(answer.status, 402)
          assert.include(failureOf(answer), { code: "QUOTA_EXCEEDED" })
          assert.deepStrictEqual(failureOf(answer).details, {
            metric: "projects",
            limit: 3,
            used: 3,
          })
        }
        assert.strictEqual(yield* totalOf(caller), 3)
      }),
    )

    it.effect("admits another project after a deletion, and counts per user", () =>
      Effect.gen(function* () {
        const caller = yield* newCaller()
        const [first] = yield* Effect.all([create(caller), create(caller), create(caller)])
        assert.strictEqual((yield* create(caller)).status, 402)
        assert.strictEqual((yield* create(yield* newCaller())).status, 201)
        const { id } = bodyOf<{ readonly id: string }>(first)
        yield* send({ method: "DELETE", path: `/api/v1/app/projects/${id}`, token: caller.token })
        assert.strictEqual((yield* create(caller)).status, 201)
      }),
    )
  },
)

layer(server({ PLAN_LIMITS: '{"free":{"api_requests":5}}' }), { excludeTestServices: true })(
  "A plan of five requests a month",
  (it) => {
    it.effect("closes all but the account and usage endpoints when they are spent", () =>
      Effect.gen(function* () {
        const caller = yield* newCaller()
        const ask = (path: string) => send({ path: `/api/v1/app/${path}`, token: caller.token })
        assert.strictEqual((yield* ask("projects")).status, 200)

        const usage = yield* Usage
        const at = yield* now
        yield* usage.record([
          {
            source: `test:${caller.id}`,
            user_id: caller.id,
            metric: "api_requests",
            quantity: 5,
            dimension: "",
            estimated: false,
            occurred_at: at,
          },
        ])
        // The process trusts its last usage reading for some seconds.
        yield* eventually(Effect.map(ask("projects"), ({ status }) => status === 402))
        assert.include(failureOf(yield* ask("ai/status")), { code: "QUOTA_EXCEEDED" })
        assert.strictEqual((yield* ask("users/me")).status, 200)
        assert.strictEqual((yield* ask("usage/current-period")).status, 200)
        assert.strictEqual((yield* create(yield* newCaller())).status, 201)
      }),
    )
  },
)
