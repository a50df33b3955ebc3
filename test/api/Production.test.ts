import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { newCaller, server } from "../fixtures/http/Callers.ts"
import { send } from "../fixtures/http/Http.ts"

/** Redis is unreachable: the server must start nevertheless. */
const production = {
  ENVIRONMENT: "production",
  OAUTH_ISSUER: "https://issuer.example.com",
  REDIS_URL: "redis://127.0.0.1:1",
  EMAIL_PROVIDER: "resend",
  RESEND_API_KEY: "re_3kq9Zx7Lm2",
  EMAIL_FROM_ADDRESS: "no-reply@example.com",
  PUBLIC_URL: "https://app.example.com",
}
const SECRET_KEY = "4d8fae2c-47b1-4f1e-9a53-8a34e1b6c0f7"

const hsts = "strict-transport-security"

// Runs on PostgreSQL alone: production refuses SQLite.
layer(server({ ...production, SECRET_KEY }), { excludeTestServices: true })(
  "A server in production",
  (it) => {
    it.effect("sends HSTS with every answer", () =>
      Effect.gen(function* () {
        const { token } = yield* newCaller()
        for (const request of [
          { path: "/api/v1/app/projects", token },
          { path: "/api/v1/app/projects" },
          { path: "/nothing" },
        ]) {
          const { headers } = yield* send(request)
          assert.strictEqual(headers[hsts], "max-age=31536000; includeSubDomains")
        }
      }),
    )

    it.effect("answers 404 for the documentation", () =>
      Effect.gen(function* () {
        for (const path of ["/docs", "/api/v1/openapi.json"]) {
          assert.strictEqual((yield* send({ path })).status, 404)
          assert.strictEqual((yield* send({ method: "POST", path })).status, 404)
        }
      }),
    )

    it.effect("refuses metrics while METRICS_TOKEN is not set", () =>
      Effect.gen(function* () {
        const path = "/api/v1/public/metrics"
        assert.strictEqual((yield* send({ path })).status, 401)
        assert.strictEqual((yield* send({ path, token: "" })).status, 401)
        assert.strictEqual((yield* send({ path, token: "null" })).status, 401)
      }),
    )
  },
)
