import { assert, layer } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Layer, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import * as SystemCounts from "../../../src/business/operations/SystemCounts.ts"
import { newUserDefaults } from "../../../src/business/users/SignIn.ts"
import { UsersRepo } from "../../../src/business/users/UsersRepo.ts"
import { JobQueue } from "../../../src/core/jobs/Queue.ts"
import { Metrics } from "../../../src/core/telemetry/Metrics.ts"
import { now } from "../../../src/domain/Fields.ts"
import { eventually } from "../../fixtures/data/Eventually.ts"
import * as Jobs from "../../fixtures/data/Jobs.ts"
import { newUser } from "../../TestApp.ts"

/** Starts SystemCounts in another process on the same database; `stop` acts as SIGTERM would. */
const counting = Effect.gen(function* () {
  const services = yield* Jobs.anotherProcess
  const scope = yield* Scope.fork(yield* Effect.scope)
  yield* Layer.buildWithScope(SystemCounts.layer.pipe(Layer.provide(UsersRepo.layer)), scope).pipe(
    Effect.provideContext(services),
  )
  const exported = Effect.map(Context.get(services, Metrics).render, (text) =>
    text
      .split("\n")
      .filter((line) => /^(?:users_total|background_job_queue_size)\{/.test(line))
      .toSorted(),
  )
  return { services, exported, stop: Scope.close(scope, Exit.void) }
})

const state = (waiting: number, active: number, inactive: number) => [
  'background_job_queue_size{queue_name="test_single"} 0',
  `background_job_queue_size{queue_name="test_task"} ${waiting}`,
  `users_total{status="active"} ${active}`,
  `users_total{status="inactive"} ${inactive}`,
]

const isSame = (a: ReadonlyArray<string>, b: ReadonlyArray<string>) => a.join() === b.join()

const insertUser = Effect.fnUntraced(function* (is_active: boolean) {
  const repo = yield* UsersRepo
  const created_at = yield* now
  const mail = { email: null, email_key: null, full_name: null }
  const times = { created_at, updated_at: created_at }
  yield* repo.insert({
    ...newUserDefaults,
    id: newUser(),
    ...mail,
    role: "user",
    ...times,
    is_active,
  })
})

const database = UsersRepo.layer.pipe(Layer.provideMerge(Jobs.jobs()))

layer(database)("SystemCounts", (it) => {
  it.effect("exports from one process at a time, which counts every 15 s", () =>
    Effect.gen(function* () {
      const { enqueue } = yield* JobQueue
      const a = yield* counting
      yield* eventually(Effect.map(a.exported, (lines) => isSame(lines, state(0, 0, 0))))
      const b = yield* counting

      yield* enqueue(Jobs.Task, { task: "now" })
      yield* enqueue(Jobs.Task, { task: "later" }, { delay: "1 hour" })
      for (const isActive of [true, true, false]) yield* insertUser(isActive)
      // The lease was renewed; the next count is not yet due.
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* a.exported, state(0, 0, 0))
      yield* TestClock.adjust("5 seconds")
      yield* eventually(Effect.map(a.exported, (lines) => isSame(lines, state(2, 2, 1))))
      assert.deepStrictEqual(yield* b.exported, [])

      yield* a.stop
      assert.deepStrictEqual(yield* a.exported, [])
      yield* TestClock.adjust("5 seconds")
      yield* eventually(Effect.map(b.exported, (lines) => isSame(lines, state(2, 2, 1))))
      assert.deepStrictEqual(yield* a.exported, [])
    }),
  )

  it.effect("stops when the lease cannot be renewed, and resumes with the next lease", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const a = yield* counting
      const isExported = Effect.map(a.exported, (lines) => lines.length === 4)
      yield* eventually(isExported)
      yield* sql`ALTER TABLE leases RENAME TO leases_away`
      // A system clock that steps back does not prolong the lease.
      const before = yield* Clock.currentTimeMillis
      yield* TestClock.setTime(before - 3_600_000)
      yield* TestClock.adjust("14 seconds")
      assert.isTrue(yield* isExported)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* a.exported, [])
      yield* TestClock.setTime(before + 15_000)

      yield* sql`ALTER TABLE leases_away RENAME TO leases`
      yield* eventually(Effect.andThen(TestClock.adjust("1 second"), isExported))
      yield* sql`UPDATE leases SET holder = 'another', expires_at = '2100-01-01T00:00:00.000Z'`
      yield* TestClock.adjust("5 seconds")
      yield* eventually(Effect.map(a.exported, (lines) => lines.length === 0))
    }),
  )
})
