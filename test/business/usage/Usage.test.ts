import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Logger, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { TestClock } from "effect/testing"
import { Usage } from "../../../src/business/usage/Usage.ts"
import { UsageRepo } from "../../../src/business/usage/UsageRepo.ts"
import { Users } from "../../../src/business/users/Users.ts"
import { Database } from "../../../src/core/sql/Database.ts"
import { Settings } from "../../../src/core/settings/Settings.ts"
import { ServiceUnavailableError } from "../../../src/domain/Errors.ts"
import { Timestamp } from "../../../src/domain/Fields.ts"
import type { UsageEvent } from "../../../src/domain/usage/Usage.ts"
import type { UserId } from "../../../src/domain/users/User.ts"
import * as Business from "../../fixtures/data/Business.ts"
import { refuseDimension } from "../../fixtures/data/Refusal.ts"
import { newUser } from "../../TestApp.ts"

/**
 * Faults of the next flushes: either they never reach the database, or they commit and the answer
 * is lost.
 */
let faults: ReadonlyArray<"unreachable" | "unanswered"> = []

const unavailable = Effect.fail(new ServiceUnavailableError({ service: "database" }))

const lossy = Layer.effect(
  UsageRepo,
  Effect.map(UsageRepo, (repo) => ({
    ...repo,
    append: (events) =>
      Effect.suspend(() => {
        const [fault] = faults
        faults = faults.slice(1)
        if (fault === "unreachable") return unavailable
        const done = repo.append(events)
        return fault === undefined ? done : Effect.andThen(done, unavailable)
      }),
  })),
)

const settings = Settings.layerFrom({ SECRET_KEY: "k".repeat(32) })

const usage = Usage.layer.pipe(Layer.provide([lossy, settings]))

const tested = usage.pipe(Layer.provideMerge(UsageRepo.layer), Layer.provideMerge(Business.layer))

const insertUser = Effect.gen(function* () {
  const id = newUser()
  const users = yield* Users
  yield* users.create({ id, email: null, full_name: null, role: "user" })
  return id
})

interface Sum {
  readonly metric: string
  readonly day: string
  readonly dimension: string
  readonly quantity: number
}

/** Sums quantities by metric, day and dimension. */
const summed = (rows: ReadonlyArray<Sum>) => {
  const sums = new Map<string, number>()
  for (const { day, dimension, metric, quantity } of rows) {
    const key = [metric, day, dimension].join()
    sums.set(key, (sums.get(key) ?? 0) + quantity)
  }
  return [...sums].toSorted(([one], [other]) => (one < other ? -1 : 1))
}

/** The daily sums of a user, after checking that they equal the ledger. */
const sumsOf = (user: UserId): Effect.Effect<Sums, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const events = sql<UsageEvent>`SELECT * FROM usage_events WHERE user_id = ${user}`
    const ledger = yield* events
    const daily = yield* sql<Sum>`SELECT * FROM usage_daily WHERE user_id = ${user}`
    // A row was written between the reads.
    if ((yield* events).length !== ledger.length) return yield* sumsOf(user)
    const sums = summed(daily)
    assert.strictEqual(daily.length, sums.length)
    assert.deepStrictEqual(
      sums,
      summed(ledger.map((event) => Object.assign(event, { day: event.occurred_at.slice(0, 10) }))),
    )
    return sums
  })

type Sums = ReturnType<typeof summed>

const quantities = (user: UserId) =>
  Effect.map(sumsOf(user), (sums) => sums.map(([, quantity]) => quantity))

/** Waits in real time, since the test clock does not advance real input and output. */
const untilWritten = (user: UserId, expected: ReadonlyArray<number>) =>
  TestClock.withLive(
    Effect.repeat(Effect.tap(quantities(user), Effect.sleep(20)), {
      until: (found) => JSON.stringify(found) === JSON.stringify(expected),
      times: 100,
    }),
  ).pipe(Effect.map((found) => assert.deepStrictEqual(found, expected)))

const drafts = Schema.Array(
  Schema.Struct({
    metric: Schema.Literals(["ai_tokens", "storage_bytes", "email_sent"]),
    day: Schema.Literals(["2024-02-28", "2024-02-29", "2024-03-01"]),
    time: Schema.Literals(["00:00:00.000Z", "12:34:56.789Z", "23:59:59.999Z"]),
    dimension: Schema.Literals(["", "a", "b"]),
    quantity: Schema.Int.check(Schema.isBetween({ minimum: -5, maximum: 1_000_000_000_000 })),
    estimated: Schema.Boolean,
    /** The positions at which this event is recorded, three times. */
    positions: Schema.Tuple([Schema.Int, Schema.Int, Schema.Int]),
  }),
).check(Schema.isMaxLength(12))
const portion = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))

layer(tested)("Usage", (it) => {
  it.effect.prop(
    "sums the same in any order and batches, with any number of repetitions",
    [drafts, portion],
    ([drafts, portion]) =>
      Effect.gen(function* () {
        const { record } = yield* Usage
        const user_id = yield* insertUser
        const recorded = drafts
          .flatMap(({ day, time, positions, ...draft }, n) => {
            const event: UsageEvent = {
              ...draft,
              source: `${user_id}:${n}`,
              user_id,
              occurred_at: Timestamp.make(`${day}T${time}`),
            }
            return positions.map((order) => ({ order, event }))
          })
          .toSorted((one, other) => one.order - other.order)
          .map(({ event }) => event)
        for (let at = 0; at < recorded.length; at += portion) {
          yield* record(recorded.slice(at, at + portion))
        }
        assert.deepStrictEqual(yield* sumsOf(user_id), summed(drafts))
      }),
    { arbitrary: { runs: 25 } },
  )

  it.effect("records more rows than one statement holds, and each source once", () =>
    Effect.gen(function* () {
      const { record } = yield* Usage
      const user_id = yield* insertUser
      const events = Array.from({ length: 1203 }, (_, n): UsageEvent => ({
        source: `${user_id}:many:${n % 1100}`,
        user_id,
        metric: "file_uploads",
        quantity: 1,
        dimension: String(n % 1100),
        estimated: false,
        occurred_at: Timestamp.make("2024-02-29T12:00:00.000Z"),
      }))
      yield* record(events)
      assert.deepStrictEqual(yield* quantities(user_id), Array(1100).fill(1))
    }),
  )

  it.effect("clamps sums to the safe integers", () =>
    Effect.gen(function* () {
      const { record } = yield* Usage
      const user_id = yield* insertUser
      const max = Number.MAX_SAFE_INTEGER
      const event = (dimension: string, quantity: number): UsageEvent => ({
        source: `${user_id}:${dimension}:${quantity}`,
        user_id,
        metric: "storage_bytes",
        quantity,
        dimension,
        estimated: false,
        occurred_at: Timestamp.make("2024-02-29T12:00:00.000Z"),
      })
      yield* record([event("one", 2 ** 60), event("other", -Infinity)])
      assert.deepStrictEqual(yield* quantities(user_id), [max, -max])
      yield* record([event("third", max), event("third", max - 1)])
      const sums = Effect.map(
        SqlClient.SqlClient,
        (sql) =>
          sql<Sum>`SELECT quantity FROM usage_daily WHERE user_id = ${user_id} ORDER BY dimension`,
      ).pipe(
        Effect.flatten,
        Effect.map((rows) => rows.map(({ quantity }) => quantity)),
      )
      // The second event adds to the first in one statement, and both to the stored sum.
      yield* record([event("one", max), event("one", 5), event("other", -max)])
      assert.deepStrictEqual(yield* sums, [max, -max, max])
      yield* record([event("one", -3), event("other", 4)])
      assert.deepStrictEqual(yield* sums, [max - 3, 4 - max, max])
    }),
  )

  it.effect("rolls back with the effect it belongs to", () =>
    Effect.gen(function* () {
      const { record } = yield* Usage
      const { transaction } = yield* Database
      const user_id = yield* insertUser
      const event: UsageEvent = {
        source: `${user_id}:effect`,
        user_id,
        metric: "ai_tokens",
        quantity: 5,
        dimension: "echo",
        estimated: false,
        occurred_at: Timestamp.make("2024-02-29T12:00:00.000Z"),
      }
      const failed = yield* Effect.flip(
        transaction(Effect.andThen(record([event]), Effect.fail("no" as const))),
      )
      assert.strictEqual(failed, "no")
      assert.deepStrictEqual(yield* quantities(user_id), [])
      yield* transaction(record([event]))
      assert.deepStrictEqual(yield* quantities(user_id), [5])
    }),
  )

  it.effect("writes counts after 5 s, under the day on which they happened", () =>
    Effect.gen(function* () {
      const { count } = yield* Usage
      const user = yield* insertUser
      yield* TestClock.setTime(Date.UTC(1970, 0, 1, 23, 59, 58))
      count(user, "api_requests", { dimension: "a" })
      count(user, "api_requests", { dimension: "a", quantity: 4 })
      count(user, "api_requests", { dimension: "b" })
      yield* TestClock.adjust("3 seconds")
      count(user, "api_requests", { dimension: "a" })
      assert.deepStrictEqual(yield* sumsOf(user), [])
      yield* TestClock.adjust("2 seconds")
      yield* untilWritten(user, [5, 1, 1])
      assert.deepStrictEqual(
        (yield* sumsOf(user)).map(([key]) => key),
        ["api_requests,1970-01-01,a", "api_requests,1970-01-01,b", "api_requests,1970-01-02,a"],
      )
    }),
  )

  it.effect("writes 2,000 counts without waiting for the window", () =>
    Effect.gen(function* () {
      const { count } = yield* Usage
      const user = yield* insertUser
      for (let n = 0; n < 2001; n += 1) count(user, "file_downloads", { dimension: String(n) })
      const early = yield* TestClock.withLive(
        Effect.repeat(Effect.tap(quantities(user), Effect.sleep(50)), {
          until: (found) => found.length >= 2000,
          times: 400,
        }),
      )
      assert.isAtLeast(early.length, 2000)
      yield* TestClock.adjust("5 seconds")
      yield* untilWritten(user, Array(2001).fill(1))
    }),
  )

  it.effect.prop(
    "counts once whatever faults the database has, and so for later counts",
    [Schema.Array(Schema.Literals(["unreachable", "unanswered"])).check(Schema.isMaxLength(3))],
    ([sequence]) =>
      Effect.gen(function* () {
        const { count } = yield* Usage
        const user = yield* insertUser
        faults = sequence
        for (let n = 0; n <= sequence.length; n += 1) {
          count(user, "api_requests")
          yield* TestClock.adjust("5 seconds")
          yield* TestClock.withLive(Effect.sleep(20))
        }
        const written = yield* Effect.repeat(
          Effect.andThen(TestClock.adjust("5 seconds"), quantities(user)).pipe(
            Effect.tap(TestClock.withLive(Effect.sleep(20))),
          ),
          { until: ([found]) => found === sequence.length + 1, times: 100 },
        )
        assert.deepStrictEqual([written, faults], [[sequence.length + 1], []])
      }),
    { arbitrary: { runs: 15 } },
  )

  it.effect("skips events of users that no longer exist, and writes those of others", () =>
    Effect.gen(function* () {
      const { count } = yield* Usage
      const users = yield* Users
      const [one, other, another] = [yield* insertUser, yield* insertUser, newUser()]
      count(one, "api_requests")
      count(other, "api_requests")
      yield* users.relink(one, another)
      yield* TestClock.adjust("5 seconds")
      yield* untilWritten(other, [1])
      assert.deepStrictEqual(yield* quantities(one), [])
    }),
  )

  it.effect("skips an event that cannot be written, and writes all others", () =>
    Effect.gen(function* () {
      const { count } = yield* Usage
      const [one, other] = [yield* insertUser, yield* insertUser]
      yield* refuseDimension("refused")
      count(one, "api_requests", { dimension: "before" })
      count(one, "api_requests", { dimension: "refused", quantity: 7 })
      count(other, "api_requests", { dimension: "after" })
      yield* TestClock.adjust("5 seconds")
      yield* untilWritten(one, [1])
      yield* untilWritten(other, [1])
    }).pipe(Effect.provide(Logger.layer([]))),
  )

  it.effect("writes pending counts when its process ends, and runs no statement without any", () =>
    Effect.gen(function* () {
      const user = yield* insertUser
      const sql = yield* SqlClient.SqlClient
      yield* Effect.scoped(
        Effect.gen(function* () {
          const context = yield* Layer.build(Layer.fresh(usage))
          const { count } = yield* Effect.provide(Usage, context)
          count(user, "websocket_messages", { quantity: 7 })
        }),
      )
      assert.deepStrictEqual(yield* quantities(user), [7])
      yield* sql`DROP TABLE usage_daily`
      yield* Effect.scoped(Layer.build(Layer.fresh(usage)))
    }),
  )
})
