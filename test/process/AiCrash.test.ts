import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { UserId } from "../../src/domain/User.ts"
import { eventually } from "../fixtures/Eventually.ts"
import { Providers } from "../fixtures/Gateway.ts"
import { patience, plinth, start } from "../fixtures/Plinth.ts"
import { sendTo } from "../fixtures/Remote.ts"
import { serving, tokens } from "../fixtures/Serving.ts"
import { newUser, tokenFor } from "../TestApp.ts"
import * as TestDatabase from "../TestDatabase.ts"

const environment = Effect.gen(function* () {
  const { url } = yield* Providers
  return {
    DATABASE_URL: yield* TestDatabase.TestDatabase,
    OPENAI_API_KEY: "key",
    OPENAI_BASE_URL: `${url}/v1`,
  }
})

const serve = Effect.flatMap(environment, (variables) => serving(variables))

const work = Effect.flatMap(environment, (variables) =>
  serving(variables, {
    by: ({ PORT, ...rest }) => start({ ...rest, WORKER_PORT: PORT }, "worker"),
  }),
)

interface Ask {
  readonly user: UserId
  readonly prompt: string
  readonly stream?: boolean
  readonly key?: string
}

const ask = Effect.fnUntraced(function* (port: number, { key, prompt, stream = false, user }: Ask) {
  return yield* sendTo(port, {
    path: "/api/v1/app/ai/chat",
    token: yield* tokenFor(user),
    json: { prompt, model: "gpt-4o", stream, max_tokens: 1000 },
    headers: key === undefined ? {} : { "Idempotency-Key": key },
  })
})

/** What the provider has been asked with this prompt. */
const askedWith = (prompt: string) =>
  Effect.map(Providers, (mock) =>
    mock.getRequests().filter(({ body }) => JSON.stringify(body).includes(`"${prompt}"`)),
  )

const untilAsked = (prompt: string) =>
  eventually(Effect.map(askedWith(prompt), (requests) => requests.length > 0))

interface Event {
  readonly metric: string
  readonly quantity: number
  readonly estimated: boolean
}

const ledgerOf = (user: UserId) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<Event>`
      SELECT metric, quantity, estimated FROM usage_events
      WHERE user_id = ${user} AND metric LIKE 'ai%' ORDER BY metric DESC, quantity`,
  )

const reservationsOf = (user: UserId) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly quantity: number }>`
      SELECT quantity FROM usage_reservations WHERE user_id = ${user}`,
  )

const past = "2020-01-01T00:00:00.000Z"

layer(Layer.mergeAll(tokens, TestDatabase.layer, Providers.layer), { excludeTestServices: true })(
  "A server that is killed while a model is asked",
  (it) => {
    it.effect(
      "leaves reservations, which are settled in whole, once, by whoever sweeps",
      () =>
        Effect.gen(function* () {
          const mock = yield* Providers
          const sql = yield* SqlClient.SqlClient
          mock.onMessage("whole", { content: "Never." }, { chaos: { latencyMs: 60_000 } })
          mock.onMessage("slow", { content: "word ".repeat(400) }, { latency: 50 })
          const user = newUser()
          const { kill, port } = yield* serve
          yield* Effect.forkChild(ask(port, { user, prompt: "whole" }))
          yield* Effect.forkChild(ask(port, { user, prompt: "slow", stream: true }))
          yield* untilAsked("whole")
          yield* untilAsked("slow")
          yield* kill

          const reserved = yield* reservationsOf(user)
          assert.deepStrictEqual(
            reserved.map(({ quantity }) => quantity),
            // Two for each prompt.
            [1002, 1002],
          )
          assert.deepStrictEqual(yield* ledgerOf(user), [])

          const variables = yield* environment
          yield* sql`UPDATE usage_reservations SET expires_at = ${past} WHERE user_id = ${user}`
          const jobs = Array(2).fill(plinth(variables, "jobs", "enqueue", "sweep_ai_reservations"))
          const enqueued = yield* Effect.all(jobs, { concurrency: 2 })
          assert.deepStrictEqual(
            enqueued.map(({ code }) => code),
            [0, 0],
          )
          yield* work
          yield* work
          yield* eventually(Effect.map(reservationsOf(user), (left) => left.length === 0))
          const request = { metric: "ai_requests", quantity: 1, estimated: false }
          const tokensOfOne = { metric: "ai_tokens", quantity: 1002, estimated: true }
          assert.deepStrictEqual(yield* ledgerOf(user), [
            tokensOfOne,
            tokensOfOne,
            request,
            request,
          ])
        }),
      patience,
    )

    it.effect(
      "leaves the key of the request to the next one, after the lease and under the same id",
      () =>
        Effect.gen(function* () {
          const mock = yield* Providers
          const sql = yield* SqlClient.SqlClient
          mock.onMessage("killed", { content: "Once." }, { chaos: { latencyMs: 2000 } })
          const user = newUser()
          const call = { user, prompt: "killed", key: "k" }
          const first = yield* serve
          yield* Effect.forkChild(ask(first.port, call))
          yield* untilAsked("killed")
          yield* first.kill

          const { port } = yield* serve
          assert.strictEqual((yield* ask(port, call)).status, 409)
          assert.lengthOf(yield* askedWith("killed"), 1)
          yield* sql`UPDATE idempotency_keys SET leased_until = ${past} WHERE user_id = ${user}`
          const taken = yield* ask(port, call)
          assert.strictEqual(taken.status, 200)
          const again = yield* ask(port, call)
          assert.deepStrictEqual([again.status, again.text], [200, taken.text])
          const keys = (yield* askedWith("killed")).map(({ headers }) => headers["idempotency-key"])
          assert.lengthOf(keys, 2)
          assert.strictEqual(new Set(keys).size, 1)
          assert.isString(keys[0])
          const requests = (yield* ledgerOf(user)).filter(({ metric }) => metric === "ai_requests")
          assert.lengthOf(requests, 1)
        }),
      patience,
    )
  },
)
