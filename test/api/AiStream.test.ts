import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { SqlClient } from "effect/sql"
import * as Doors from "../../src/Doors.ts"
import { AiGateway } from "../../src/business/ai/AiGateway.ts"
import * as Server from "../../src/http/Server.ts"
import { Http } from "../fixtures/http/Http.ts"
import { asking } from "../fixtures/vendors/AiSocket.ts"
import { newCaller } from "../fixtures/http/Callers.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { appWithProviders, FakeProvider, part } from "../fixtures/vendors/FakeAi.ts"

const provider = new FakeProvider("openai")

const server = Http.layer.pipe(
  Layer.provideMerge(Doors.layer),
  Layer.provideMerge(appWithProviders([provider], { RATE_LIMIT_AI: "1000000/second" })),
)

const streaming = (token: string) =>
  Effect.flatMap(Server.Address, ({ port }) => asking(port, { token }))

const tokensOf = (user: string) =>
  Effect.map(
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql<{ readonly quantity: number }>`
        SELECT quantity FROM usage_events WHERE user_id = ${user} AND metric = 'ai_tokens'`,
    ),
    (rows) => rows.map(({ quantity }) => quantity),
  )

const reservedBy = (user: string) =>
  Effect.map(
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`SELECT id FROM usage_reservations WHERE user_id = ${user}`,
    ),
    (rows) => rows.length,
  )

const unknown = { prompt: null, completion: null }

layer(server, { excludeTestServices: true })("A streamed answer", (it) => {
  it.effect("ends at a silent provider within a second after its client disconnects", () =>
    Effect.gen(function* () {
      const { id, token } = yield* newCaller()
      Object.assign(provider, {
        sentParts: 0,
        script: { parts: 4, ending: "hang", tokens: unknown },
      })
      const socket = yield* streaming(token)
      let received = ""
      socket.on("data", (data) => (received += data.toString()))
      yield* eventually(Effect.sync(() => received.split(`data: ${part}`).length === 5))
      assert.isTrue(provider.isOpen)
      socket.destroy()
      yield* eventually(
        Effect.sync(() => !provider.isOpen),
        1,
      )
      // One token for the prompt.
      yield* eventually(Effect.map(tokensOf(id), ([tokens]) => tokens === 1 + 4))
    }),
  )

  it.effect("costs nothing when its client disconnects before the first part", () =>
    Effect.gen(function* () {
      const { id, token } = yield* newCaller()
      Object.assign(provider, { calls: [], script: { parts: 0, ending: "hang", tokens: unknown } })
      const socket = yield* streaming(token)
      yield* eventually(Effect.sync(() => provider.calls.length === 1))
      assert.isTrue(provider.isOpen)
      socket.destroy()
      yield* eventually(
        Effect.sync(() => !provider.isOpen),
        1,
      )
      yield* eventually(Effect.map(reservedBy(id), (reserved) => reserved === 0))
      assert.deepStrictEqual(yield* tokensOf(id), [])
    }),
  )

  it.effect("is read from the provider no faster than clients read it", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const clients = 100
      const parts = 2000
      const text = "wave ".repeat(13_000)
      Object.assign(provider, {
        sentParts: 0,
        script: { parts, text, ending: "stop", tokens: { prompt: 1, completion: 1 } },
      })
      yield* Effect.all(
        Array.from({ length: clients }, () => streaming(token)),
        { concurrency: "unbounded" },
      ).pipe(
        Effect.tap((sockets) => Effect.sync(() => sockets.forEach((socket) => socket.pause()))),
      )
      let before = -1
      yield* eventually(
        Effect.suspend(() => {
          const isStill = provider.sentParts > 0 && provider.sentParts === before
          before = provider.sentParts
          return Effect.as(Effect.sleep("300 millis"), isStill)
        }),
      )
      // Only what fits into the socket buffers: a quarter of the 130 MB of each client would not.
      assert.isBelow(provider.sentParts, (clients * parts) / 4)
    }),
  )

  it.effect("settles when it is never read", () =>
    Effect.gen(function* () {
      const gateway = yield* AiGateway
      const { id } = yield* newCaller()
      Object.assign(provider, { script: { parts: 2, ending: "stop", tokens: unknown } })
      const request = {
        messages: [{ role: "user" as const, content: "hello" }],
        model: "gpt-4o",
        complexity: null,
        temperature: 1,
        max_tokens: 10,
      }
      const opened = gateway.stream({ id, plan: "free" }, request)
      yield* Effect.scoped(Effect.asVoid(opened))
      assert.deepStrictEqual(yield* tokensOf(id), [1])
      yield* Effect.scoped(Effect.flatMap(opened, Stream.runDrain))
      assert.deepStrictEqual((yield* tokensOf(id)).toSorted(), [1, 3])
    }),
  )
})
