import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { asking } from "../fixtures/vendors/AiSocket.ts"
import { vendors } from "../fixtures/vendors/AiVendors.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { processTimeoutMs } from "../fixtures/processes/Plinth.ts"
import { sendTo } from "../fixtures/processes/Remote.ts"
import { serving, tokens } from "../fixtures/processes/Serving.ts"
import * as StreamServer from "../fixtures/servers/StreamServer.ts"
import { newUser, tokenFor } from "../TestApp.ts"
import { TestDatabase } from "../TestDatabase.ts"

const clients = 100
const MB = 1_000_000

/** The length of a stream: more than the kernel holds in the buffers of its sockets. */
const streamBytes = 40 * MB

/** A stream in chunks of 4 kB. */
const long: Iterable<string> = {
  *[Symbol.iterator]() {
    const [openai] = vendors
    const [begin = "", chunk = "", ...end] = openai?.events(["wave ".repeat(800)]) ?? []
    yield begin
    for (let n = 0; n < streamBytes / 4000; n += 1) yield chunk
    yield* end
  },
}
const all = clients * streamBytes

const memoryOf = (port: number) =>
  Effect.map(sendTo(port, { path: "/api/v1/public/metrics" }), ({ text }) =>
    Number(/^process_memory_bytes\{type="rss"\} (\S+)$/m.exec(text)?.[1]),
  )

layer(Layer.mergeAll(tokens, TestDatabase.layer), { excludeTestServices: true })(
  "A server with a hundred clients that read slowly",
  (it) => {
    it.effect(
      "reads from its provider only what they read, in bounded memory",
      () =>
        Effect.gen(function* () {
          const { state, url } = yield* StreamServer.make
          state.script = { parts: long, last: "end" }
          const { port } = yield* serving({
            DATABASE_URL: yield* TestDatabase,
            OPENAI_API_KEY: "key",
            OPENAI_BASE_URL: `${url}/v1`,
            RATE_LIMIT_AI: "1000000/second",
            PLAN_LIMITS: '{"free":{"ai_tokens":null}}',
          })
          const token = yield* tokenFor(newUser())
          const reading = Effect.map(asking(port, { token }), (socket) => socket.pause())
          /** Waits until all buffers on the way are full. */
          const untilStill = Effect.suspend(() => {
            let before = -1
            return eventually(
              Effect.suspend(() => {
                const isStill = state.written > 0 && state.written === before
                before = state.written
                return Effect.as(Effect.sleep("500 millis"), isStill)
              }),
            )
          })
          // The first stream loads code: measure after it.
          const first = yield* reading
          yield* untilStill
          const before = yield* memoryOf(port)

          const sockets = yield* Effect.all(
            Array.from({ length: clients }, () => reading),
            { concurrency: "unbounded" },
          )
          yield* untilStill
          const after = yield* memoryOf(port)
          // Measured: 4 to 9 MB of each stream, mostly in the buffers of sockets, whose size depends on the kernel.
          assert.isBelow(state.written, all / 2)
          // Measured: 0.3 GB, most of it text that the meter will count.
          assert.isBelow(after - before, all / 4)
          assert.lengthOf(state.requests, clients + 1)

          let taken = 0
          yield* eventually(
            Effect.sync(() => {
              for (const socket of sockets) {
                const bytes: Buffer | null = socket.read()
                taken += bytes?.length ?? 0
              }
              return taken > clients * 100_000
            }),
          )
          assert.isBelow((yield* memoryOf(port)) - before, all / 4)

          for (const socket of [first, ...sockets]) socket.destroy()
          yield* eventually(Effect.sync(() => state.left === clients + 1))
        }),
      processTimeoutMs,
    )
  },
)
