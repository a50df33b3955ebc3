import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { newCaller } from "../fixtures/http/Callers.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { application, Providers } from "../fixtures/servers/Gateway.ts"
import { send } from "../fixtures/http/Http.ts"

layer(application, { excludeTestServices: true, timeout: "60 seconds" })(
  "An outage of all AI providers",
  (it) => {
    it.effect("stops calls to providers, answers 503 with Retry-After, and ends by itself", () =>
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
        // Each provider is called at most twice.
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
