import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { UserId } from "../../src/domain/User.ts"
import { eventually } from "../fixtures/Eventually.ts"
import { patience, plinth, start } from "../fixtures/Plinth.ts"
import { sendTo } from "../fixtures/Remote.ts"
import { serving, tokens } from "../fixtures/Serving.ts"
import * as StreamServer from "../fixtures/StreamServer.ts"
import { newUser, tokenFor } from "../TestApp.ts"
import * as TestDatabase from "../TestDatabase.ts"

/** Falls silent where the test says so. */
class Vendor extends Context.Service<Vendor, Effect.Success<typeof StreamServer.make>>()(
  "plinth/test/process/AiCrash.test/Vendor",
) {
  static readonly layer = Layer.effect(this, StreamServer.make)
}

const environment = Effect.gen(function* () {
  const { url } = yield* Vendor
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

/** Asks what has no answer yet. */
const begin = Effect.fnUntraced(function* (port: number, call: Ask) {
  const { state } = yield* Vendor
  const before = state.requests.length
  state.script = { parts: call.stream === true ? [delta] : [], last: "silence" }
  yield* Effect.forkChild(ask(port, call))
  yield* eventually(Effect.sync(() => state.requests.length > before))
})

const delta = `data: ${JSON.stringify({
  model: "gpt-4o",
  choices: [{ index: 0, delta: { content: "Half of it" } }],
})}\n\n`

const whole = JSON.stringify({
  model: "gpt-4o",
  choices: [{ index: 0, message: { content: "Once." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 5, completion_tokens: 7 },
})

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

layer(Layer.mergeAll(tokens, TestDatabase.layer, Vendor.layer), { excludeTestServices: true })(
  "A server that is killed while a model is asked",
  (it) => {
    it.effect(
      "leaves reservations, which are settled in whole, once, by whoever sweeps",
      () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const user = newUser()
          const { kill, port } = yield* serve
          yield* begin(port, { user, prompt: "whole" })
          yield* begin(port, { user, prompt: "parts", stream: true })
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
          const jobs = Array.from({ length: 2 }, () =>
            plinth(variables, "jobs", "enqueue", "sweep_ai_reservations"),
          )
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
          const { state } = yield* Vendor
          const sql = yield* SqlClient.SqlClient
          const user = newUser()
          const call = { user, prompt: "once", key: "k" }
          const before = state.requests.length
          const first = yield* serve
          yield* begin(first.port, call)
          yield* first.kill

          const { port } = yield* serve
          assert.strictEqual((yield* ask(port, call)).status, 409)
          assert.lengthOf(state.requests, before + 1)
          yield* sql`UPDATE idempotency_keys SET leased_until = ${past} WHERE user_id = ${user}`
          state.script = {
            headers: { "content-type": "application/json" },
            parts: [whole],
            last: "end",
          }
          const taken = yield* ask(port, call)
          assert.strictEqual(taken.status, 200)
          const again = yield* ask(port, call)
          assert.deepStrictEqual([again.status, again.text], [200, taken.text])
          const keys = state.requests.slice(before).map(({ headers }) => headers["idempotency-key"])
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
