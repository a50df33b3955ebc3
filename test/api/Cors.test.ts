import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { newCaller, server } from "../fixtures/http/Callers.ts"
import { failureOf, send } from "../fixtures/http/Http.ts"

const projects = "/api/v1/app/projects"
const origin = "https://app.example.com"

const exposed =
  "X-Request-ID, X-API-Version, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, RateLimit-Policy, Retry-After, Idempotency-Replayed, ETag"

const settings = { BACKEND_CORS_ORIGINS: JSON.stringify([origin, "http://localhost:3000"]) }

const preflight = (path: string, method: string, from = origin) =>
  send({
    method: "OPTIONS",
    path,
    headers: {
      Origin: from,
      "Access-Control-Request-Method": method,
      "Access-Control-Request-Headers": "authorization, content-type",
    },
  })

layer(server(settings), { excludeTestServices: true })("CORS", (it) => {
  it.effect("lets listed origins read every answer, including failures", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      for (const Origin of [origin, "http://localhost:3000"]) {
        for (const request of [
          { path: projects, token },
          { path: projects },
          { path: "/nothing" },
          { method: "PUT", path: projects },
          { path: projects, token, body: "{" },
          { path: projects, token, body: " ".repeat(1_048_577) },
        ]) {
          const { headers } = yield* send({ ...request, headers: { Origin } })
          assert.strictEqual(headers["access-control-allow-origin"], Origin)
          assert.strictEqual(headers["access-control-allow-credentials"], "true")
          assert.strictEqual(headers["access-control-expose-headers"], exposed)
          assert.strictEqual(headers["vary"], "Origin")
        }
      }
    }),
  )

  it.effect("sends no CORS headers to other origins, but answers them", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      for (const Origin of [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://app.example.com:444",
        "http://app.example.com",
        "https://APP.example.com",
        "null",
        "*",
      ]) {
        const { headers, status } = yield* send({ path: projects, token, headers: { Origin } })
        assert.strictEqual(status, 200)
        assert.deepStrictEqual(Object.keys(headers).filter(isCors), [], Origin)
        assert.strictEqual(headers["vary"], "Origin")
      }
    }),
  )

  it.effect("answers a preflight with the methods of the path, cacheable for ten minutes", () =>
    Effect.gen(function* () {
      for (const [path, methods] of [
        [projects, "GET, HEAD, POST"],
        [`${projects}/some`, "GET, HEAD, PATCH, DELETE"],
        ["/api/v1/admin/users/some/activate", "POST"],
      ] as const) {
        const method = methods.split(", ").at(-1) ?? ""
        const { headers, status, text } = yield* preflight(path, method)
        assert.strictEqual(status, 204)
        assert.strictEqual(text, "")
        assert.strictEqual(headers["access-control-allow-origin"], origin)
        assert.strictEqual(headers["access-control-allow-credentials"], "true")
        assert.strictEqual(headers["access-control-allow-methods"], methods)
        assert.strictEqual(headers["access-control-max-age"], "600")
        const allowed = headers["access-control-allow-headers"]?.toLowerCase().split(", ")
        assert.includeMembers(allowed ?? [], [
          "authorization",
          "content-type",
          "idempotency-key",
          "x-request-id",
          "traceparent",
          "b3",
        ])
      }
    }),
  )

  it.effect("refuses preflights of other origins, methods and paths with the error envelope", () =>
    Effect.gen(function* () {
      const foreign = yield* preflight(projects, "GET", "https://evil.example")
      assert.strictEqual(foreign.status, 403)
      assert.deepStrictEqual(Object.keys(foreign.headers).filter(isCors), [])
      const wrong = yield* preflight(projects, "PUT")
      assert.strictEqual(wrong.status, 405)
      assert.strictEqual(wrong.headers["allow"], "GET, HEAD, POST")
      assert.strictEqual((yield* preflight(`${projects};a=1`, "GET")).status, 404)
      const unknown = yield* preflight("/nothing", "GET")
      assert.strictEqual(unknown.status, 404)
      assert.strictEqual(failureOf(unknown).details["resource"], "Route")
      // A page of a listed origin may read the reason.
      assert.strictEqual(unknown.headers["access-control-allow-origin"], origin)
    }),
  )
})

const isCors = (name: string) => name.startsWith("access-control-")
