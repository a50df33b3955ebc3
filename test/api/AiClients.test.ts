import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Server from "../../src/http/Server.ts"
import { asking } from "../fixtures/vendors/AiSocket.ts"
import { key, vendors } from "../fixtures/vendors/AiVendors.ts"
import { newCaller, server } from "../fixtures/http/Callers.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import * as StreamServer from "../fixtures/servers/StreamServer.ts"

/** The server that stands in for all three vendors. */
class Upstream extends Context.Service<Upstream, Effect.Success<typeof StreamServer.make>>()(
  "plinth/test/api/AiClients.test/Upstream",
) {
  static readonly layer = Layer.effect(this, StreamServer.make)
}

const application = Layer.unwrap(
  Effect.map(Upstream, ({ url }) =>
    server({
      OPENAI_API_KEY: key,
      OPENAI_BASE_URL: `${url}/v1`,
      ANTHROPIC_API_KEY: key,
      ANTHROPIC_BASE_URL: url,
      AI_FALLBACK_PROVIDERS: "anthropic",
      RATE_LIMIT_AI: "1000000/second",
    }),
  ),
).pipe(Layer.provideMerge(Upstream.layer))

const rowsOf = Effect.fnUntraced(function* (user: string) {
  const sql = yield* SqlClient.SqlClient
  return {
    reserved: yield* sql`SELECT id FROM usage_reservations WHERE user_id = ${user}`,
    events: yield* sql`
      SELECT id FROM usage_events WHERE user_id = ${user} AND metric LIKE 'ai_%'`,
    days: yield* sql`SELECT day FROM usage_daily WHERE user_id = ${user} AND metric LIKE 'ai_%'`,
  }
})

const beforeFirstPart = [
  { answer: "nothing", stream: false, parts: [] },
  { answer: "nothing of a stream", stream: true, parts: [] },
  {
    answer: "the head of a stream",
    stream: true,
    parts: vendors[0]?.events([]).slice(0, 1) ?? [],
  },
]

layer(application, { excludeTestServices: true })("A client that disconnects", (it) => {
  it.effect.each(beforeFirstPart)(
    "ends the call within a second and is not charged when the provider has sent $answer",
    ({ parts, stream }) =>
      Effect.gen(function* () {
        const { state } = yield* Upstream
        const { port } = yield* Server.Address
        const { id, token } = yield* newCaller()
        Object.assign(state, { requests: [], left: 0, script: { parts, last: "silence" } })
        const socket = yield* asking(port, { token, stream })
        let received = ""
        socket.on("data", (data) => (received += data.toString()))
        yield* eventually(Effect.sync(() => state.requests.length === 1))
        // Lets the client receive whatever the server has sent.
        yield* Effect.sleep("300 millis")
        assert.strictEqual(received, "")
        assert.lengthOf((yield* rowsOf(id)).reserved, 1)
        socket.destroy()
        yield* eventually(
          Effect.sync(() => state.left === 1),
          1,
        )
        yield* eventually(
          Effect.map(rowsOf(id), ({ reserved }) => reserved.length === 0),
          1,
        )
        assert.deepStrictEqual(yield* rowsOf(id), { reserved: [], events: [], days: [] })
        // No other provider is called instead.
        assert.lengthOf(state.requests, 1)
      }),
  )
})
