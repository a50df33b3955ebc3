import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import type { UserId } from "../../src/domain/users/User.ts"
import { newUser, tokenFor } from "../TestApp.ts"
import { TestDatabase } from "../TestDatabase.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { Providers, servingModels } from "../fixtures/servers/Gateway.ts"
import { processTimeoutMs } from "../fixtures/processes/Plinth.ts"
import type { Request } from "../fixtures/http/Http.ts"
import { sendTo } from "../fixtures/processes/Remote.ts"
import { frame, rpcToken } from "../fixtures/http/Rpc.ts"
import { tokens } from "../fixtures/processes/Serving.ts"

const serve = servingModels({ SHUTDOWN_GRACE_SECONDS: "2", RPC_TOKEN: rpcToken })

/** Requests for a streamed answer, over REST and RPC. */
const doors: Readonly<Record<string, (user: UserId, token: string) => Request>> = {
  REST: (_, token) => ({
    path: "/api/v1/app/ai/chat",
    token,
    json: { prompt: "slow", model: "gpt-4o", stream: true },
  }),
  RPC: (user_id) => ({
    path: "/rpc",
    token: rpcToken,
    headers: { "content-type": "application/x-ndjson" },
    body: frame("ai.stream", {
      user_id,
      model: "gpt-4o",
      messages: [{ role: "user", content: "slow" }],
    }),
  }),
}

const Spent = Schema.Struct({ ai_tokens: Schema.Int, ai_requests: Schema.Int })

layer(Layer.mergeAll(tokens, TestDatabase.layer, Providers.layer), { excludeTestServices: true })(
  "A process that stops",
  (it) => {
    it.effect.each(Object.entries(doors))(
      "settles an interrupted stream before it closes its database, over %s",
      ([, streamOf]) =>
        Effect.gen(function* () {
          const mock = yield* Providers
          mock.onMessage("slow", { content: "word ".repeat(400) }, { latency: 50 })
          const user = newUser()
          const token = yield* tokenFor(user)
          const { port, stop } = yield* serve
          yield* sendTo(port, { path: "/api/v1/app/users/me", token })
          const asked = mock.getRequests().length
          const reading = yield* Effect.forkChild(sendTo(port, streamOf(user, token)))
          yield* eventually(Effect.sync(() => mock.getRequests().length > asked))
          yield* Effect.sleep("500 millis")
          assert.strictEqual((yield* stop).code, 0)
          yield* Fiber.interrupt(reading)

          const next = yield* serve
          const answer = yield* sendTo(next.port, {
            path: "/api/v1/app/usage/current-period",
            token,
          })
          const { ai_requests, ai_tokens } = yield* Schema.decodeUnknownEffect(Spent)(answer.json)
          assert.strictEqual(ai_requests, 1)
          assert.isAbove(ai_tokens, 5)
          assert.isBelow(ai_tokens, 400)
        }),
      processTimeoutMs,
    )
  },
)
