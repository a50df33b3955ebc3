import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { secretsIn } from "../fixtures/Adapting.ts"
import { Providers } from "../fixtures/Gateway.ts"
import { patience } from "../fixtures/Plinth.ts"
import { sendTo } from "../fixtures/Remote.ts"
import { serving, tokens } from "../fixtures/Serving.ts"
import { newUser, tokenFor } from "../TestApp.ts"
import { TestDatabase } from "../TestDatabase.ts"

const error = { message: "canary: you said canary", type: "canary", code: "canary" }

layer(Layer.mergeAll(tokens, TestDatabase.layer, Providers.layer), { excludeTestServices: true })(
  "What is said to a model, and by it,",
  (it) => {
    it.effect(
      "is told to nobody else, whatever fails",
      () =>
        Effect.gen(function* () {
          const mock = yield* Providers
          mock.onMessage("canary works", { content: "canary" })
          mock.onMessage(
            "canary is cut",
            { content: "canary".repeat(20) },
            {
              truncateAfterChunks: 5,
              latency: 5,
            },
          )
          mock.onMessage("canary is no JSON", { content: "" }, { chaos: { malformedRate: 1 } })
          mock.onMessage("canary is wrong", { error, status: 400 })
          mock.onMessage("canary is nobody", { error, status: 401 })
          mock.onMessage("canary is early", { error, status: 429 })
          mock.onMessage("canary is unlucky", { error, status: 500 })
          const { port, stop } = yield* serving({
            DATABASE_URL: yield* TestDatabase,
            LOG_LEVEL: "DEBUG",
            OPENAI_API_KEY: "sk-canary",
            OPENAI_BASE_URL: `${mock.url}/v1`,
          })
          const token = yield* tokenFor(newUser())
          const ask = (prompt: string, stream = false) =>
            sendTo(port, {
              path: "/api/v1/app/ai/chat",
              token,
              json: { prompt, model: "gpt-4o", stream },
            })

          assert.include((yield* ask("canary works")).text, "canary")
          assert.include((yield* ask("canary works", true)).text, "canary")
          assert.include((yield* ask("canary is cut", true)).text, "event: error")
          const refused = yield* Effect.forEach(
            ["no JSON", "wrong", "nobody", "early", "unlucky"],
            (what) => ask(`canary is ${what}`),
          )
          assert.deepStrictEqual(
            refused.map(({ status }) => status),
            [502, 422, 503, 503, 502],
          )
          const metrics = yield* sendTo(port, { path: "/api/v1/public/metrics" })
          assert.include(metrics.text, "llm_requests_total")

          const { code, stderr, stdout } = yield* stop
          assert.strictEqual(code, 0)
          assert.include(stdout + stderr, "AI provider refuses our key")
          const told = [...refused, metrics].map(({ text }) => text)
          assert.deepStrictEqual(secretsIn([...told, stdout, stderr].join("\n")), [])
        }),
      patience,
    )
  },
)
