import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { HttpClient } from "effect/http"
import { Collector } from "../../fixtures/servers/Collector.ts"
import { baseUrl, newUser, testServerWith, tokenFor } from "../../TestApp.ts"

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
const unsampled = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

/** Starts a server, sends the requests, stops it (which flushes), and returns the collector. */
const traced = (
  environment: Readonly<Record<string, string>>,
  requests: ReadonlyArray<Readonly<Record<string, string>>>,
) =>
  Effect.gen(function* () {
    const collector = yield* Collector
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(
      testServerWith({
        OTEL_ENABLED: "true",
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        ...environment,
      }),
      scope,
    )
    yield* Effect.gen(function* () {
      const url = `${yield* baseUrl}/api/v1/app/projects?search=private-words`
      const authorization = `Bearer ${yield* tokenFor(newUser())}`
      for (const headers of requests) {
        const response = yield* HttpClient.get(url, { headers: { ...headers, authorization } })
        assert.strictEqual(response.status, 200)
      }
      // Excludes spans of the client in this process.
    }).pipe(
      Effect.withTracerEnabled(false),
      Effect.provideService(HttpClient.TracerPropagationEnabled, false),
      Effect.provide(context),
    )
    yield* Scope.close(scope, Exit.void)
    return collector
  }).pipe(Effect.provide(Layer.fresh(Collector.layer)))

const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url")

/** A well-formed token, signed with an unknown key. */
const foreignToken = [
  encoded({ alg: "RS256", kid: "nobody" }),
  encoded({ sub: "ada", iat: 1, exp: 4_000_000_000 }),
  "A".repeat(342),
].join(".")

layer(Layer.empty, { excludeTestServices: true })("Tracing", (it) => {
  it.effect("joins the caller's trace, with HTTP and SQL in one", () =>
    Effect.gen(function* () {
      const { spans, text } = yield* traced({}, [{ traceparent }])

      const request = spans.find(({ name }) => name === "GET /api/v1/app/projects")
      assert.strictEqual(request?.traceId, "0af7651916cd43dd8448eb211c80319c")
      assert.strictEqual(request?.parentSpanId, "b7ad6b7169203331")
      // The migrations at start have their own trace.
      const sql = spans.filter(
        ({ name, traceId }) => name.startsWith("sql") && traceId === request?.traceId,
      )
      assert.include(
        sql.map((span) => span.parentSpanId),
        request?.spanId,
      )
      assert.notInclude(text(), "private-words")
      assert.notMatch(text(), /eyJ[\w-]+\./)
    }),
  )

  it.effect("records no query string of our own requests", () =>
    Effect.gen(function* () {
      const collector = yield* Collector
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        testServerWith({
          OTEL_ENABLED: "true",
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
          AUTH_PROVIDER: "custom",
          OAUTH_JWKS_URL: `${collector.url}/jwks?key=private-words`,
        }),
        scope,
      )
      yield* Effect.gen(function* () {
        const response = yield* HttpClient.get(`${yield* baseUrl}/api/v1/app/projects`, {
          headers: { authorization: `Bearer ${foreignToken}` },
        })
        assert.strictEqual(response.status, 401)
      }).pipe(
        Effect.withTracerEnabled(false),
        Effect.provideService(HttpClient.TracerPropagationEnabled, false),
        Effect.provide(context),
      )
      yield* Scope.close(scope, Exit.void)
      const full = collector.spans
        .flatMap(({ attributes }) => attributes)
        .filter(({ key }) => key === "url.full")
      assert.deepStrictEqual(
        full.map(({ value }) => value),
        [{ stringValue: `${collector.url}/jwks` }],
      )
      assert.notInclude(collector.text(), "private-words")
    }).pipe(Effect.provide(Layer.fresh(Collector.layer))),
  )

  it.effect("creates no span for requests not sampled, by configuration or by the caller", () =>
    Effect.gen(function* () {
      const none = yield* traced({ OTEL_TRACES_SAMPLER_ARG: "0" }, [{}, { traceparent: "garbage" }])
      assert.deepStrictEqual(none.spans, [])

      const one = yield* traced({}, [{ traceparent: unsampled }, {}])
      const requests = one.spans.filter(({ name }) => name.startsWith("GET "))
      assert.strictEqual(requests.length, 1)
      assert.notStrictEqual(requests[0]?.traceId, unsampled.split("-")[1])
    }),
  )

  it.effect("serves requests when the collector is down", () =>
    traced({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" }, [{}, {}]),
  )
})
