import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Lifecycle } from "../../src/core/Lifecycle.ts"
import * as Worker from "../../src/jobs/Worker.ts"
import { newCaller, server } from "../fixtures/http/Callers.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { send } from "../fixtures/http/Http.ts"

const health = "/api/v1/public/health"
const ready = "/api/v1/public/health/ready"
const metrics = "/api/v1/public/metrics"

const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

interface Ready {
  readonly status: string
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly timestamp: string
}

/** A server with a job worker in the process. */
const working = Worker.layer.pipe(Layer.provideMerge(server()))

layer(working, { excludeTestServices: true })("Probes and metrics", (it) => {
  it.effect("report the process as live", () =>
    Effect.gen(function* () {
      const answer = yield* send({ path: health })
      assert.strictEqual(answer.status, 200)
      const { timestamp: time, ...rest } = answer.json as Record<string, unknown>
      assert.deepStrictEqual(rest, { status: "healthy" })
      assert.match(String(time), timestamp)
    }),
  )

  it.effect("report the status of each component", () =>
    Effect.gen(function* () {
      // Healthy once the runner has polled for jobs.
      yield* eventually(Effect.map(send({ path: ready }), ({ text }) => !text.includes("unheal")))
      const answer = yield* send({ path: ready })
      assert.strictEqual(answer.status, 200)
      const { components, timestamp: time, ...rest } = answer.json as Ready
      assert.deepStrictEqual(rest, { status: "healthy" })
      assert.match(time, timestamp)
      assert.isNumber(components["database"]?.["latency_ms"])
      assert.deepStrictEqual(components, {
        database: { status: "healthy", latency_ms: components["database"]?.["latency_ms"] },
        cache: { status: "not_configured", latency_ms: null },
        jobs: { status: "healthy", latency_ms: components["jobs"]?.["latency_ms"] },
      })
    }),
  )

  it.effect("count requests by route pattern, without probes and scrapes", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      yield* send({ path: "/api/v1/app/projects/some?token=canary", token })
      yield* send({ path: "/wp-login.php" })
      yield* send({ method: "PROPFIND", path: "/api/v1/app/projects" })
      yield* send({ path: health })
      yield* send({ path: ready })
      yield* send({ path: metrics })
      const { headers, text } = yield* send({ path: metrics })
      assert.strictEqual(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
      const counted = text.split("\n").filter((line) => line.startsWith("http_requests_total{"))
      assert.deepStrictEqual(
        counted.map((line) => line.replace("http_requests_total", "")).toSorted(),
        [
          '{method="GET",endpoint="/api/v1/app/projects/{id}",status_code="404"} 1',
          '{method="GET",endpoint="unmatched",status_code="404"} 1',
          '{method="OTHER",endpoint="unmatched",status_code="405"} 1',
        ],
      )
    }),
  )

  it.effect("report a draining process as not ready, and close every connection", () =>
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      yield* Effect.acquireRelease(
        Effect.sync(() => (lifecycle.draining = true)),
        () => Effect.sync(() => (lifecycle.draining = false)),
      )
      const answer = yield* send({ path: ready })
      assert.strictEqual(answer.status, 503)
      assert.deepInclude(answer.json, { status: "unhealthy" })
      assert.strictEqual(answer.headers["connection"], "close")
      const live = yield* send({ path: health })
      assert.strictEqual(live.status, 200)
      assert.strictEqual(live.headers["connection"], "close")
    }),
  )
})

layer(server(), { excludeTestServices: true })("Readiness without a job worker", (it) => {
  it.effect("is degraded, but still 200", () =>
    Effect.gen(function* () {
      const answer = yield* send({ path: ready })
      assert.strictEqual(answer.status, 200)
      const { components, status } = answer.json as Ready
      assert.strictEqual(status, "degraded")
      assert.strictEqual(components["database"]?.["status"], "healthy")
      assert.strictEqual(components["jobs"]?.["status"], "unhealthy")
    }),
  )
})

const METRICS_TOKEN = "metrics-token-of-this-test"

layer(server({ METRICS_TOKEN }), { excludeTestServices: true })("METRICS_TOKEN", (it) => {
  it.effect("is required to read metrics", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* send({ path: metrics, token: METRICS_TOKEN })).status, 200)
      const { token } = yield* newCaller("superadmin")
      for (const wrong of [undefined, "", `${METRICS_TOKEN}x`, METRICS_TOKEN.slice(1), token]) {
        const answer = yield* send({ path: metrics, token: wrong })
        assert.strictEqual(answer.status, 401)
        assert.notInclude(answer.text, "http_requests_total")
      }
    }),
  )
})
