import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Server from "../../src/http/Server.ts"
import { newCaller } from "../fixtures/http/Callers.ts"
import { application, keysOf, Providers } from "../fixtures/servers/Gateway.ts"
import { failureOf, type Request, send } from "../fixtures/http/Http.ts"
import { sendTo } from "../fixtures/processes/Remote.ts"

const usage = { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 }

const ask = (token: string, prompt: string, more: object = {}): Request => ({
  path: "/api/v1/app/ai/chat",
  token,
  json: { prompt, model: "gpt-4o", ...more },
  headers: { "Idempotency-Key": "k" },
})

const eventsOf = (user: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`SELECT id FROM usage_events WHERE user_id = ${user} AND metric = 'ai_requests'`,
  )

layer(application, { excludeTestServices: true })("An AI call with an Idempotency-Key", (it) => {
  it.effect("is sent and charged once when repeated, with the same answer", () =>
    Effect.gen(function* () {
      const mock = yield* Providers
      mock.onMessage("again", { content: "Once.", usage })
      const { id, token } = yield* newCaller()
      const first = yield* send(ask(token, "again"))
      const again = yield* send(ask(token, "again"))
      assert.strictEqual(first.status, 200)
      assert.deepStrictEqual([again.status, again.text], [200, first.text])
      assert.strictEqual(again.headers["idempotency-replayed"], "true")
      assert.lengthOf(yield* keysOf("again"), 1)
      assert.lengthOf(yield* eventsOf(id), 1)
    }),
  )

  it.effect("is sent and settled once for 50 concurrent requests", () =>
    Effect.gen(function* () {
      const mock = yield* Providers
      const sql = yield* SqlClient.SqlClient
      mock.onMessage("at once", { content: "Once.", usage }, { chaos: { latencyMs: 300 } })
      const { id, token } = yield* newCaller()
      const { port } = yield* Server.Address
      const answers = yield* Effect.all(
        Array.from({ length: 50 }, () => sendTo(port, ask(token, "at once"))),
        { concurrency: "unbounded" },
      )
      const [answered, ...replayed] = answers.filter(({ status }) => status === 200)
      const refused = answers.filter(({ status }) => status === 409)
      assert.isAbove(refused.length, 0)
      assert.strictEqual(1 + replayed.length + refused.length, 50)
      for (const { headers } of refused) assert.strictEqual(headers["retry-after"], "1")
      for (const { text } of replayed) assert.strictEqual(text, answered?.text)
      assert.lengthOf(yield* keysOf("at once"), 1)
      assert.deepStrictEqual(
        yield* sql`
          SELECT metric, quantity FROM usage_events
          WHERE user_id = ${id} AND metric LIKE 'ai_%' ORDER BY metric`,
        [
          { metric: "ai_requests", quantity: 1 },
          { metric: "ai_tokens", quantity: 12 },
        ],
      )
      const left = yield* sql`SELECT id FROM usage_reservations WHERE user_id = ${id}`
      assert.lengthOf(left, 0)
    }),
  )

  it.effect("is sent again with the same vendor key once the lease of a dead process expires", () =>
    Effect.gen(function* () {
      const mock = yield* Providers
      const sql = yield* SqlClient.SqlClient
      mock.onMessage("died", { content: "Once.", usage })
      const { id, token } = yield* newCaller()
      yield* send(ask(token, "died"))
      const expireAt = (until: string) => sql`
        UPDATE idempotency_keys SET status = 0, body = NULL, leased_until = ${until}
        WHERE user_id = ${id}`
      yield* expireAt("2999-01-01T00:00:00.000Z")
      assert.strictEqual((yield* send(ask(token, "died"))).status, 409)
      yield* expireAt("2020-01-01T00:00:00.000Z")
      assert.strictEqual((yield* send(ask(token, "died"))).status, 200)
      const [first, second, ...more] = yield* keysOf("died")
      assert.isString(first)
      assert.strictEqual(second, first)
      assert.lengthOf(more, 0)
    }),
  )

  it.effect("frees the key of a dead process's call after 24 hours", () =>
    Effect.gen(function* () {
      const mock = yield* Providers
      const sql = yield* SqlClient.SqlClient
      mock.onMessage("long ago", { content: "One.", usage })
      mock.onMessage("another", { content: "Two.", usage })
      const { id, token } = yield* newCaller()
      yield* send(ask(token, "long ago"))
      yield* sql`
        UPDATE idempotency_keys
        SET status = 0, body = NULL, created_at = ${past}, leased_until = ${past}
        WHERE user_id = ${id}`
      assert.strictEqual((yield* send(ask(token, "another"))).status, 200)
      const keys = [...(yield* keysOf("long ago")), ...(yield* keysOf("another"))]
      assert.strictEqual(new Set(keys).size, 2)
    }),
  )

  it.effect("leaves the key free when it fails", () =>
    Effect.gen(function* () {
      const mock = yield* Providers
      mock.onMessage("fails", {
        error: { message: "no", type: "invalid_request_error", code: "content_policy_violation" },
        status: 400,
      })
      const { token } = yield* newCaller()
      assert.strictEqual((yield* send(ask(token, "fails"))).status, 422)
      mock.onMessage("works", { content: "Yes.", usage })
      const other = yield* send(ask(token, "works"))
      assert.strictEqual(other.status, 200)
      assert.isUndefined(other.headers["idempotency-replayed"])
    }),
  )

  it.effect("is refused with another body, and for streams", () =>
    Effect.gen(function* () {
      const mock = yield* Providers
      mock.onMessage("one", { content: "One.", usage })
      const { token } = yield* newCaller()
      assert.strictEqual((yield* send(ask(token, "one"))).status, 200)
      for (const refused of [ask(token, "one "), ask(token, "one", { stream: true })]) {
        const failure = failureOf(yield* send(refused))
        assert.strictEqual(failure.code, "VALIDATION_ERROR")
        assert.strictEqual(failure.details["field"], "Idempotency-Key")
      }
      assert.lengthOf(yield* keysOf("one"), 1)
    }),
  )
})

const past = "2020-01-01T00:00:00.000Z"
