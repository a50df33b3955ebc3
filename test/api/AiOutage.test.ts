import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { newCaller } from "../fixtures/Callers.ts"
import { eventually } from "../fixtures/Eventually.ts"
import { application, Providers } from "../fixtures/Gateway.ts"
import { send } from "../fixtures/Http.ts"

layer(application, { excludeTestServices: true, timeout: "60 seconds" })(
  "When all providers are down",
  (it) => {
    it.effect("nobody is asked any more, callers are told when to come again, and it heals", () =>
      Effect.gen(function* () {
        const mock = yield* Providers
        mock.onMessage("hello", { content: "Hi." })
        mock.setChaos({ dropRate: 1 })
        const { token } = yield* newCaller()
        const ask = send({
          path: "/api/v1/app/ai/chat",
          token,
          json: { prompt: "hello", model: "gpt-4o" },
        })
        // A call of each, at most twice.
        assert.strictEqual((yield* ask).status, 502)
        assert.isAtMost(mock.getRequests().length, 6)
        yield* eventually(Effect.map(ask, ({ status }) => status === 503))

        const before = mock.getRequests().length
        const begun = performance.now()
        const refused = yield* ask
        assert.isBelow(performance.now() - begun, 1000)
        assert.strictEqual(mock.getRequests().length, before)
        assert.strictEqual(refused.status, 503)
        const wait = Number(refused.headers["retry-after"])
        assert.isTrue(wait >= 1 && wait <= 60, String(wait))

        mock.clearChaos()
        yield* eventually(
          Effect.map(ask, ({ status }) => status === 200),
          20,
        )
      }),
    )
  },
)
