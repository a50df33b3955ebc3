import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Metrics } from "../../../src/core/telemetry/Metrics.ts"
import { Settings } from "../../../src/core/settings/Settings.ts"
import { version } from "../../../src/domain/Version.ts"
import { hasProgram, program } from "../../fixtures/servers/Programs.ts"

const httpBuckets = "0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf"
const databaseBuckets = "0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 +Inf"

/** The type and the labels of each metric that the product exports. */
const contract: Readonly<Record<string, ReadonlyArray<string>>> = {
  http_requests_total: ["counter", "method endpoint status_code"],
  http_request_duration_seconds: ["histogram", "method endpoint"],
  http_requests_in_progress: ["gauge", "method endpoint"],
  db_queries_total: ["counter", "operation table"],
  db_query_duration_seconds: ["histogram", "operation table"],
  db_pool_connections: ["gauge", "state"],
  db_errors_total: ["counter", "error_type"],
  auth_events_total: ["counter", "event provider"],
  auth_failures_total: ["counter", "reason"],
  background_jobs_total: ["counter", "job_name status"],
  background_job_duration_seconds: ["histogram", "job_name"],
  background_job_queue_size: ["gauge", "queue_name"],
  users_total: ["untyped", "status"],
  process_memory_bytes: ["gauge", "type"],
  process_cpu_seconds_total: ["counter", "mode"],
  process_open_fds: ["gauge", ""],
  event_loop_lag_seconds: ["gauge", ""],
  app_uptime_seconds: ["gauge", ""],
  app_info: ["gauge", "name version environment"],
}

const name = 'Metrics "\\ test'

/** Provides a new registry to each test. */
const metered = <A>(use: (metrics: Metrics["Service"]) => Effect.Effect<A>) =>
  Effect.flatMap(Metrics, use).pipe(
    Effect.provide(
      Layer.fresh(Metrics.layer).pipe(
        Layer.provide(Settings.layerFrom({ PROJECT_NAME: name, SECRET_KEY })),
      ),
    ),
  )

const SECRET_KEY = "0123456789abcdef-only-for-these-tests"

const recordAll = (metrics: Metrics["Service"]) => {
  metrics.httpStarted("GET", "/a/{id}")
  metrics.httpFinished("GET", "/a/{id}", 200, 0.003)
  metrics.httpStarted("POST", "/a")
  metrics.query("SELECT", "projects", 0.0005)
  metrics.databaseError("UniqueViolation")
  metrics.authEvent("login", "custom")
  metrics.authFailure("expired")
  metrics.pool(() => ({ active: 1, idle: 2, overflow: 0 }))
  metrics.job("send_welcome_email", "enqueued")
  metrics.jobDuration("send_welcome_email", 0.2)
  const users = { active: 2, inactive: 1 }
  metrics.system(() => ({ users, queues: new Map([["send_welcome_email", 3]]) }))
}

/** Returns the value of the series, or undefined if it is not exported. */
const valueOf = (text: string, series: string) => {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

const labelsOf = (line: string) =>
  Array.from(line.matchAll(/[{,](\w+)="/g), ([, label]) => label ?? "").filter(
    (label) => label !== "le",
  )

describe("Metrics", () => {
  it.effect("have exactly the documented names, types and labels", () =>
    metered((metrics) =>
      Effect.gen(function* () {
        recordAll(metrics)
        const text = yield* metrics.render
        const types = text.matchAll(/^# TYPE (\w+) (\w+)$/gm)
        const found = Array.from(types, ([, metric = "", type]) => {
          const line = new RegExp(`^${metric}(?:_bucket)?(?:\\{.*\\})? .+$`, "m").exec(text)?.[0]
          return [metric, [type ?? "", labelsOf(line ?? "").join(" ")]]
        })
        assert.deepStrictEqual(Object.fromEntries(found), contract)
        // One block per name: Prometheus rejects a second.
        assert.strictEqual(found.length, Object.keys(contract).length)
        // An untyped metric: promtool rejects a gauge whose name ends in `_total`.
        assert.strictEqual(valueOf(text, 'users_total{status="inactive"}'), 1)
      }),
    ),
  )

  it.effect("have the documented buckets, which are cumulative", () =>
    metered((metrics) =>
      Effect.gen(function* () {
        for (const seconds of [0.001, 0.0011, 0.3, 11]) {
          metrics.httpStarted("GET", "/a")
          metrics.httpFinished("GET", "/a", 200, seconds)
          metrics.query("DELETE", "projects", seconds)
        }
        const text = yield* metrics.render
        const buckets = (metric: string) =>
          Array.from(text.matchAll(new RegExp(`^${metric}_bucket.*le="(.+)"\\} (\\d+)$`, "gm")))
        const http = buckets("http_request_duration_seconds")
        assert.strictEqual(http.map(([, le]) => le).join(" "), httpBuckets)
        assert.strictEqual(http.map(([, , n]) => n).join(" "), "1 2 2 2 2 2 2 2 3 3 3 3 3 4")
        const database = buckets("db_query_duration_seconds")
        assert.strictEqual(database.map(([, le]) => le).join(" "), databaseBuckets)
        assert.strictEqual(database.map(([, , n]) => n).join(" "), "1 2 2 2 2 2 2 2 3 3 4")
        const labels = '{method="GET",endpoint="/a"}'
        assert.strictEqual(valueOf(text, `http_request_duration_seconds_count${labels}`), 4)
        assert.closeTo(
          valueOf(text, `http_request_duration_seconds_sum${labels}`) ?? 0,
          11.3021,
          1e-9,
        )
      }),
    ),
  )

  it.effect("separate series by each of their labels", () =>
    metered((metrics) =>
      Effect.gen(function* () {
        const all = [
          ["GET", "/a", 200],
          ["GET", "/a", 404],
          ["GET", "/b", 200],
          ["POST", "/a", 200],
        ] as const
        for (const [at, [method, endpoint, status]] of all.entries()) {
          for (let n = 0; n <= at; n++) {
            metrics.httpStarted(method, endpoint)
            metrics.httpFinished(method, endpoint, status, 0)
          }
        }
        const text = yield* metrics.render
        const counts = all.map(([method, endpoint, status]) =>
          valueOf(
            text,
            `http_requests_total{method="${method}",endpoint="${endpoint}",status_code="${status}"}`,
          ),
        )
        assert.deepStrictEqual(counts, [1, 2, 3, 4])
      }),
    ),
  )

  it.effect("count requests in progress, and never below zero", () =>
    metered((metrics) =>
      Effect.gen(function* () {
        const series = 'http_requests_in_progress{method="GET",endpoint="/a"}'
        const inProgress = Effect.map(metrics.render, (text) => valueOf(text, series))
        metrics.httpStarted("GET", "/a")
        metrics.httpStarted("GET", "/a")
        metrics.httpStarted("GET", "/b")
        assert.strictEqual(yield* inProgress, 2)
        metrics.httpFinished("GET", "/a", 200, 0)
        assert.strictEqual(yield* inProgress, 1)
        metrics.httpFinished("GET", "/a", 499, 0)
        metrics.httpFinished("GET", "/a", 499, 0)
        assert.strictEqual(yield* inProgress, 0)
        metrics.httpStarted("GET", "/a")
        assert.strictEqual(yield* inProgress, 1)
      }),
    ),
  )

  it.effect("read all pools at each scrape and add them up", () =>
    metered((metrics) =>
      Effect.gen(function* () {
        assert.notInclude(yield* metrics.render, "db_pool_connections")
        let active = 1
        metrics.pool(() => ({ active, idle: 2, overflow: 0 }))
        metrics.pool(() => ({ active: 3, idle: 0, overflow: 5 }))
        const states = Effect.map(metrics.render, (text) =>
          ["active", "idle", "overflow"].map((state) =>
            valueOf(text, `db_pool_connections{state="${state}"}`),
          ),
        )
        assert.deepStrictEqual(yield* states, [4, 2, 5])
        active = 0
        assert.deepStrictEqual(yield* states, [3, 2, 5])
      }),
    ),
  )

  it.effect("report the resources and the version of the process", () =>
    metered((metrics) =>
      Effect.gen(function* () {
        const first = yield* metrics.render
        // Uses measurable CPU time between the scrapes.
        while (process.cpuUsage().user / 1e6 <= (valueOf(first, user) ?? 0)) yield* Effect.void
        const second = yield* metrics.render
        assert.isAbove(valueOf(second, user) ?? 0, valueOf(first, user) ?? Infinity)
        assert.isAtMost(valueOf(second, user) ?? Infinity, process.cpuUsage().user / 1e6)
        const mode = 'process_cpu_seconds_total{mode="system"}'
        assert.isAtLeast(valueOf(second, mode) ?? -1, valueOf(first, mode) ?? Infinity)
        assert.isAbove(valueOf(second, "app_uptime_seconds") ?? 0, 0)
        assert.isAtLeast(valueOf(second, "event_loop_lag_seconds") ?? -1, 0)
        const info = `app_info{name="Metrics \\"\\\\ test",version="${version}",environment="local"}`
        assert.strictEqual(valueOf(second, info), 1)
        const [rss, vms, shared] = ["rss", "vms", "shared"].map(
          (type) => valueOf(second, `process_memory_bytes{type="${type}"}`) ?? 0,
        )
        assert.closeTo(rss ?? 0, process.memoryUsage.rss(), 2 ** 26)
        if (process.platform !== "linux") return
        assert.isAbove(shared ?? 0, 0)
        assert.isAbove(rss ?? 0, shared ?? 0)
        assert.isAbove(vms ?? 0, rss ?? 0)
        assert.isAbove(valueOf(second, "process_open_fds") ?? 0, 2)
      }),
    ),
  )

  it.effect.skipIf(!hasProgram("promtool"))("pass promtool check", () =>
    metered((metrics) =>
      Effect.gen(function* () {
        recordAll(metrics)
        const input = yield* metrics.render
        // Throws with the output of promtool if it finds a problem.
        const output = execFileSync(program("promtool") ?? "", ["check", "metrics"], {
          input,
          encoding: "utf8",
        })
        assert.strictEqual(output, "")
      }),
    ),
  )
})

const user = 'process_cpu_seconds_total{mode="user"}'
