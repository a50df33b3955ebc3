import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import { newUser, tokenFor } from "../TestApp.ts"
import { TestDatabase } from "../TestDatabase.ts"
import { eventually } from "../fixtures/Eventually.ts"
import { Providers, servingModels } from "../fixtures/Gateway.ts"
import { patience } from "../fixtures/Plinth.ts"
import { sendTo } from "../fixtures/Remote.ts"
import { tokens } from "../fixtures/Serving.ts"

const serve = servingModels({ SHUTDOWN_GRACE_SECONDS: "2" })

const Spent = Schema.Struct({ ai_tokens: Schema.Int, ai_requests: Schema.Int })

layer(Layer.mergeAll(tokens, TestDatabase.layer, Providers.layer), { excludeTestServices: true })(
  "A process that stops",
  (it) => {
    it.effect(
      "settles the stream that it cuts, before it leaves its database",
      () =>
        Effect.gen(function* () {
          const mock = yield* Providers
          mock.onMessage("slow", { content: "word ".repeat(400) }, { latency: 50 })
          const token = yield* tokenFor(newUser())
          const { port, stop } = yield* serve
          const asked = mock.getRequests().length
          const reading = yield* Effect.forkChild(
            sendTo(port, {
              path: "/api/v1/app/ai/chat",
              token,
              json: { prompt: "slow", model: "gpt-4o", stream: true },
            }),
          )
          yield* eventually(Effect.sync(() => mock.getRequests().length > asked))
          yield* Effect.sleep("500 millis")
          assert.strictEqual((yield* stop).code, 0)
          yield* Fiber.interrupt(reading)

          const next = yield* serve
          const answer = yield* sendTo(next.port, {
            path: "/api/v1/app/usage/current-period",
            token,
          })
          const { ai_requests, ai_tokens } = Schema.decodeUnknownSync(Spent)(answer.json)
          assert.strictEqual(ai_requests, 1)
          assert.isAbove(ai_tokens, 5)
          assert.isBelow(ai_tokens, 400)
        }),
      patience,
    )
  },
)
