import { assert, layer } from "@effect/vitest"
import { Array as Arrays, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Usage } from "../../src/business/usage/Usage.ts"
import { now, Timestamp } from "../../src/domain/Fields.ts"
import * as Period from "../../src/domain/Period.ts"
import { limitedKeys } from "../../src/domain/Plan.ts"
import { type UsageMetric, usageMetricKeys, usageMetrics } from "../../src/domain/usage/Usage.ts"
import {
  UsageBreakdown,
  UsageCurrentPeriod,
  UsageDaily,
  UsageSummary,
  UsageTopUsers,
  UsageTrends,
} from "../../src/domain/usage/UsageReport.ts"
import { PlinthRpc } from "../../src/rpc/RpcClient.ts"
import { type Caller, newCaller, server } from "../fixtures/http/Callers.ts"
import { document } from "../fixtures/http/Conformance.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { bodyOf, failureOf, send } from "../fixtures/http/Http.ts"
import { client, rpcToken } from "../fixtures/http/Rpc.ts"

const path = "/api/v1/app/usage"
const admin = "/api/v1/admin/usage"

const get = <A>({ token }: Caller, where: string) =>
  Effect.map(send({ path: where, token }), (answer) => {
    assert.strictEqual(answer.status, 200, answer.text)
    return bodyOf<A>(answer)
  })

let records = 0

const use = Effect.fnUntraced(function* (
  { id }: Caller,
  metric: UsageMetric,
  quantity: number,
  { day, dimension = "" }: { readonly day?: string; readonly dimension?: string } = {},
) {
  const { record } = yield* Usage
  const occurred_at = day === undefined ? yield* now : Timestamp.make(`${day}T12:00:00.000Z`)
  records += 1
  yield* record([
    {
      source: `test:${records}`,
      user_id: id,
      metric,
      quantity,
      dimension,
      estimated: false,
      occurred_at,
    },
  ])
})

const today = Effect.map(now, Period.dayOf)

interface Daily {
  readonly data: ReadonlyArray<{ readonly date: string; readonly value: number }>
  readonly total: number
  readonly average: number
}

interface Breakdown {
  readonly total: number
  readonly breakdown: Readonly<Record<string, number>>
}

const schemas: Readonly<Record<string, { readonly required?: ReadonlyArray<string> }>> =
  document.components.schemas

/** A daily sum, as the tables may store it. */
interface DailySum {
  readonly metric: UsageMetric
  readonly ago: number
  readonly dimension: string
  readonly quantity: number
}

const max = Number.MAX_SAFE_INTEGER

const bounded = (total: bigint) =>
  Number(total > BigInt(max) ? BigInt(max) : total < -BigInt(max) ? -BigInt(max) : total)

const totalOf = (rows: ReadonlyArray<DailySum>, within: (row: DailySum) => boolean) =>
  bounded(rows.filter(within).reduce((total, { quantity }) => total + BigInt(quantity), 0n))

/** Inserts rows without the checks of recording: earlier versions accepted all of these. */
const insertSums = Effect.fnUntraced(function* ({ id }: Caller, rows: ReadonlyArray<DailySum>) {
  const sql = yield* SqlClient.SqlClient
  const day = yield* today
  const rowOf = ({ ago, ...row }: DailySum): Record<string, unknown> => ({
    ...row,
    user_id: id,
    day: Period.addDays(day, -ago),
  })
  if (!Arrays.isReadonlyArrayNonEmpty(rows)) return
  for (const some of Arrays.chunksOf(rows, 500)) {
    yield* sql`INSERT INTO usage_daily ${sql.insert(Arrays.map(some, rowOf))}`
  }
})

const safe = Schema.Int.check(Schema.isBetween({ minimum: -max, maximum: max }))
const near = Schema.Int.check(Schema.isBetween({ minimum: max - 3, maximum: max }))
const holdings = Schema.Array(
  Schema.Struct({
    metric: Schema.Literals(["ai_tokens", "storage_bytes", "api_requests"]),
    ago: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 62 })),
    dimension: Schema.Literals(["", "echo", "gpt-4o"]),
    quantity: Schema.Union([Schema.Literals([max, -max, 1, -1]), near, safe]),
  }),
).check(Schema.isMaxLength(12))

/** Keeps one row per key of the table. */
const distinct = (rows: ReadonlyArray<DailySum>) => [
  ...new Map(rows.map((row) => [[row.metric, row.ago, row.dimension].join(), row])).values(),
]

/** Calls every reader of the sums. Each must answer 200 and valid by its schema, or 402 for a spent quota. */
const answersOf = Effect.fnUntraced(function* (caller: Caller, boss: Caller, metric: UsageMetric) {
  const asked = <S extends Schema.Codec<unknown, unknown>>(schema: S, report: string) =>
    Effect.gen(function* () {
      const [name = "", query = ""] = report.split("?")
      const mine = yield* get<unknown>(caller, `${path}/${report}`)
      const theirs = yield* get<unknown>(boss, `${admin}/${name}/${caller.id}?${query}`)
      yield* Schema.decodeUnknownEffect(schema)(theirs)
      return yield* Schema.decodeUnknownEffect(schema)(mine)
    })
  const days = 40
  const current = yield* Schema.decodeUnknownEffect(UsageCurrentPeriod)(
    yield* get(caller, `${path}/current-period`),
  )
  const rest = {
    summary: yield* asked(UsageSummary, `summary?days=${days}`),
    trends: yield* asked(UsageTrends, `trends?metric=${metric}`),
    daily: yield* asked(UsageDaily, `daily?metric=${metric}&days=${days}`),
    breakdown: yield* asked(UsageBreakdown, `breakdown?metric=${metric}&days=${days}`),
  }
  const { users } = yield* Schema.decodeUnknownEffect(UsageTopUsers)(
    yield* get(boss, `${admin}/top-users?metric=${metric}&limit=100`),
  )

  const calls = Effect.gen(function* () {
    const rpc = yield* PlinthRpc
    const about = { user_id: caller.id, metric, days }
    yield* rpc("usage.currentPeriod", about)
    yield* rpc("usage.summary", about)
    yield* rpc("usage.trends", about)
    yield* rpc("usage.daily", about)
    yield* rpc("usage.breakdown", about)
    yield* rpc("usage.topUsers", { metric, limit: 100 })
    yield* rpc("entitlements.get", about)
    yield* rpc("entitlements.check", { ...about, what: metric, amount: max })
  })
  yield* Effect.provide(calls, client())

  const { token } = caller
  const chat = { prompt: "Hello", max_tokens: 5 }
  for (const request of [
    { path: "/api/v1/app/projects" },
    { path: "/api/v1/app/ai/chat", json: chat },
  ]) {
    const { status, text } = yield* send({ ...request, token })
    assert.include([200, 402], status, text)
  }
  return { current, days, ...rest, users }
})

layer(server({ PLAN_LIMITS: '{"free":{"projects":1}}', RPC_TOKEN: rpcToken }), {
  excludeTestServices: true,
})("/app/usage and /admin/usage", (it) => {
  it.effect("report the used and the remaining amounts of the month", () =>
    Effect.gen(function* () {
      const caller = yield* newCaller()
      yield* use(caller, "ai_tokens", 40_000, { dimension: "echo" })
      yield* use(caller, "storage_bytes", 500, { day: "2020-02-29" })
      yield* use(caller, "ai_tokens", 7, { day: "2020-02-29" })
      const body = yield* get<UsageCurrentPeriod>(caller, `${path}/current-period`)
      assert.deepInclude(body, { user_id: caller.id, ai_tokens: 40_000, storage_bytes: 500 })
      const { from, to } = Period.monthOf(yield* today)
      assert.deepStrictEqual<unknown>(body.period, {
        start: `${from}T00:00:00.000Z`,
        end: `${to}T00:00:00.000Z`,
      })
      assert.deepStrictEqual(body.limits.ai_tokens, { limit: 100_000, remaining: 60_000 })
      assert.deepStrictEqual(body.limits.projects, { limit: 1, remaining: 1 })
      assert.deepStrictEqual(body.limits.email_sent, { limit: null, remaining: null })
    }),
  )

  it.effect("report every declared metric, in answers and in the contract", () =>
    Effect.gen(function* () {
      const caller = yield* newCaller()
      const keys = [...usageMetricKeys].toSorted()
      const period = yield* get<Record<string, unknown>>(caller, `${path}/current-period`)
      assert.includeMembers(Object.keys(period), keys)
      assert.sameMembers(Object.keys(period["limits"] ?? {}), [...limitedKeys])
      const summary = yield* get<{ readonly metrics: object }>(caller, `${path}/summary`)
      assert.deepStrictEqual(Object.keys(summary.metrics).toSorted(), keys)
      assert.deepStrictEqual(
        Object.keys(UsageSummary.fields.metrics.fields),
        Object.keys(usageMetrics),
      )
      assert.includeMembers(Object.keys(UsageCurrentPeriod.fields), keys)
      assert.includeMembers([...(schemas["UsageCurrentPeriod"]?.required ?? [])], keys)
      for (const where of [path, admin]) {
        const asked = where === path ? caller : yield* newCaller("admin")
        const { metrics } = yield* get<{ metrics: ReadonlyArray<{ key: UsageMetric }> }>(
          asked,
          `${where}/metrics`,
        )
        assert.deepStrictEqual(
          metrics,
          usageMetricKeys.map((key) => {
            const { description, name, unit } = usageMetrics[key]
            return { key, name, description, unit }
          }),
        )
        for (const key of keys) yield* get(asked, metricPath(where, key, asked))
      }
    }),
  )

  it.effect("report the same to admins and to the user, and 404 for unknown users", () =>
    Effect.gen(function* () {
      const [caller, boss] = [yield* newCaller(), yield* newCaller("admin")]
      const day = Period.addDays(yield* today, -3)
      yield* use(caller, "ai_requests", 2, { day, dimension: "gpt-4o" })
      yield* use(caller, "ai_requests", 1, { dimension: "echo" })
      yield* use(caller, "ai_requests", 5, { day: Period.addDays(day, -1) })
      for (const report of [
        "summary?days=4",
        "trends?metric=ai_requests",
        "daily?metric=ai_requests&days=4",
        "breakdown?metric=ai_requests&days=4",
      ]) {
        const [name = "", query] = report.split("?")
        const mine = yield* get<object>(caller, `${path}/${report}`)
        const theirs = yield* get<object>(boss, `${admin}/${name}/${caller.id}?${query}`)
        // The requests of this test itself may be recorded in between.
        assert.deepStrictEqual(withoutRequests(theirs), withoutRequests(mine), report)
        const { token } = boss
        const unknown = yield* send({ path: `${admin}/${name}/nobody?${query}`, token })
        assert.strictEqual(unknown.status, 404, report)
      }
      const daily = yield* get<Daily>(caller, `${path}/daily?metric=ai_requests&days=4`)
      assert.deepStrictEqual(
        daily.data.map(({ value }) => value),
        [2, 0, 0, 1],
      )
      assert.deepInclude(daily, { total: 3, average: 0.75 })
      const { breakdown, total } = yield* get<Breakdown>(
        caller,
        `${path}/breakdown?metric=ai_requests`,
      )
      assert.deepStrictEqual(
        { breakdown, total },
        { breakdown: { "gpt-4o": 2, echo: 1 }, total: 8 },
      )
    }),
  )

  it.effect("list the users with the highest usage first", () =>
    Effect.gen(function* () {
      const [one, two, boss] = [yield* newCaller(), yield* newCaller(), yield* newCaller("admin")]
      yield* use(one, "file_downloads", 3)
      yield* use(two, "file_downloads", 4)
      const top = `${admin}/top-users?metric=file_downloads`
      interface Top {
        readonly users: ReadonlyArray<object>
      }
      assert.deepStrictEqual((yield* get<Top>(boss, top)).users, [person(two, 4), person(one, 3)])
      assert.deepStrictEqual((yield* get<Top>(boss, `${top}&limit=1`)).users, [person(two, 4)])
    }),
  )

  it.effect.prop(
    "report exact sums of any stored values, capped at the largest safe integer",
    [holdings, Schema.Literals(["ai_tokens", "storage_bytes"])],
    ([drafts, metric]) =>
      Effect.gen(function* () {
        const rows = distinct(drafts)
        const [caller, boss] = [yield* newCaller(), yield* newCaller("admin")]
        yield* insertSums(caller, rows)
        const reports = yield* answersOf(caller, boss, metric)
        const { days } = reports
        const day = yield* today
        const month = Period.monthOf(day)
        const inMonth = (row: DailySum) => Period.contains(month, Period.addDays(day, -row.ago))
        const isOfMetric = (row: DailySum) => row.metric === metric
        const inDays = totalOf(rows, (row) => isOfMetric(row) && row.ago < days)
        const ofMonth = totalOf(rows, (row) => isOfMetric(row) && inMonth(row))
        const ever = totalOf(rows, isOfMetric)
        const current = metric === "storage_bytes" ? ever : ofMonth

        assert.strictEqual(reports.current[metric], current)
        assert.strictEqual(reports.summary.metrics[metric].total, inDays)
        assert.strictEqual(reports.breakdown.total, inDays)
        assert.strictEqual(reports.daily.total, inDays)
        for (const dimension of ["echo", "gpt-4o"]) {
          const some = totalOf(
            rows,
            (row) => isOfMetric(row) && row.ago < days && row.dimension === dimension,
          )
          assert.strictEqual(reports.breakdown.breakdown[dimension] ?? 0, some)
        }
        assert.strictEqual(reports.trends.current_period, ofMonth)
        const mine = reports.users.find(({ user_id }) => user_id === caller.id)?.value ?? 0
        assert.strictEqual(mine, Math.max(0, current))
        const inOrder = reports.users.toSorted(
          (one, other) => other.value - one.value || (one.user_id < other.user_id ? -1 : 1),
        )
        assert.deepStrictEqual(reports.users, inOrder)
      }),
    { arbitrary: { runs: 8 } },
  )

  it.effect("report sums that overflow in the database", () =>
    Effect.gen(function* () {
      const [caller, boss] = [yield* newCaller(), yield* newCaller("admin")]
      yield* insertSums(
        caller,
        Array.from({ length: 1100 }, (_, n) => ({
          metric: "ai_tokens" as const,
          ago: 0,
          dimension: `model-${n}`,
          quantity: max,
        })),
      )
      for (const dimension of ["/one", "/other"]) {
        yield* use(caller, "api_requests", max, { dimension })
      }
      const reports = yield* answersOf(caller, boss, "ai_tokens")
      assert.strictEqual(reports.current.ai_tokens, max)
      assert.strictEqual(reports.breakdown.total, max)
      assert.strictEqual(reports.users[0]?.value, max)
    }),
  )

  it.effect("work with sums of earlier versions that exceed a safe integer", () =>
    Effect.gen(function* () {
      const [caller, boss] = [yield* newCaller(), yield* newCaller("admin")]
      const sql = yield* SqlClient.SqlClient
      const day = yield* today
      yield* sql`
          INSERT INTO usage_daily (user_id, metric, day, dimension, quantity)
          VALUES (${caller.id}, 'ai_tokens', ${day}, 'echo', 9223372036854775807)
        `
      for (const dimension of ["echo", "gpt-4o"]) {
        yield* use(caller, "ai_tokens", max, { dimension })
        yield* use(caller, "ai_tokens", max, { dimension })
      }
      const reports = yield* answersOf(caller, boss, "ai_tokens")
      assert.deepStrictEqual(reports.breakdown.breakdown, { echo: max, "gpt-4o": max })
      assert.strictEqual(reports.breakdown.total, max)
      // New writes bring the sums back to safe integers.
      const rows = yield* sql<{ readonly quantity: number }>`
          SELECT quantity FROM usage_daily WHERE user_id = ${caller.id} AND metric = 'ai_tokens'
        `
      assert.deepStrictEqual(
        rows.map(({ quantity }) => quantity),
        [max, max],
      )

      yield* sql`
        INSERT INTO usage_daily (user_id, metric, day, dimension, quantity)
        VALUES (${caller.id}, 'storage_bytes', ${day}, 'old', 9223372036854775807),
          (${caller.id}, 'storage_bytes', ${day}, 'one', ${-max}),
          (${caller.id}, 'storage_bytes', ${day}, 'other', ${-max})
      `
      const storage = yield* answersOf(caller, boss, "storage_bytes")
      assert.strictEqual(storage.current.storage_bytes, -max)
      assert.notInclude(
        storage.users.map(({ user_id }) => user_id),
        caller.id,
      )
    }),
  )

  it.effect("accept only valid days and declared metrics", () =>
    Effect.gen(function* () {
      const boss = yield* newCaller("admin")
      const metric = "metric=ai_tokens"
      for (const [report, ok] of [
        ["summary?days=365", true],
        ["summary?days=366", false],
        ["summary?days=0", false],
        ["summary?days=1.5", false],
        ["trends", false],
        ["trends?metric=nothing", false],
        ["trends?metric=constructor", false],
        [`daily?${metric}&days=90`, true],
        [`daily?${metric}&days=91`, false],
        ["daily?days=3", false],
        [`breakdown?${metric}&days=365`, true],
        [`breakdown?${metric}&days=-1`, false],
      ] as const) {
        const { token } = boss
        const [name = "", query = ""] = report.split("?")
        for (const where of [`${path}/${report}`, `${admin}/${name}/${boss.id}?${query}`]) {
          const answer = yield* send({ path: where, token })
          assert.strictEqual(answer.status, ok ? 200 : 422, where)
          if (!ok) assert.strictEqual(failureOf(answer).code, "VALIDATION_ERROR")
        }
      }
      for (const query of ["", "?metric=x", `?${metric}&limit=0`, `?${metric}&limit=101`]) {
        const { status } = yield* send({ path: `${admin}/top-users${query}`, token: boss.token })
        assert.strictEqual(status, 422, query)
      }
    }),
  )

  it.effect("count exactly the answered requests of a user", () =>
    Effect.gen(function* () {
      const caller = yield* newCaller()
      const { token } = caller
      const projects = "/api/v1/app/projects"
      for (let n = 0; n < 3; n += 1) yield* get(caller, projects)
      yield* send({ path: projects, token, json: { name: "One" } })
      yield* send({ path: projects, token, json: { name: 1 } })
      yield* send({ path: `${projects}/missing`, token })
      yield* send({ path: "/api/v1/admin/users", token })
      yield* send({ path: projects })
      yield* send({ path: "/api/v1/public/health", token })
      const asked = get<Breakdown>(caller, `${path}/breakdown?metric=api_requests`)
      yield* eventually(
        Effect.map(asked, ({ breakdown }) => breakdown[projects] === 4),
        15,
      )
      const { breakdown } = yield* asked
      // The requests for the breakdown may be included, depending on when counts are written.
      assert.includeMembers([projects, `${path}/breakdown`], Object.keys(breakdown))
    }),
  )
})

const metricPath = (where: string, key: string, { id }: Caller) =>
  where === path ? `${where}/trends?metric=${key}` : `${where}/trends/${id}?metric=${key}`

const withoutRequests = (body: object) => {
  const { metrics, ...rest } = structuredClone(body) as { metrics?: Record<string, unknown> }
  delete metrics?.["api_requests"]
  return { metrics, ...rest }
}

const person = ({ id }: Caller, value: number) => ({
  user_id: id,
  email: `${id}@example.com`,
  value,
})
