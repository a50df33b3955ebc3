import { assert, layer } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { JobQueue } from "../../../../src/core/jobs/Queue.ts"
import { eventually } from "../../../fixtures/data/Eventually.ts"
import { jobs, running, Task, Tasks } from "../../../fixtures/data/Jobs.ts"
import { sleep } from "../../../fixtures/data/Sleep.ts"

/** The number of transactions so far, including this one. */
const transactions = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly count: number }>`
    SELECT xact_commit + xact_rollback AS count FROM pg_stat_database
    WHERE datname = current_database()
  `
  return { count: row?.count ?? 0, at: yield* Clock.currentTimeMillis }
})

layer(jobs(), { excludeTestServices: true })("Idle job worker", (it) => {
  it.effect("makes at most 25 transactions per second", () =>
    Effect.gen(function* () {
      const tasks = new Tasks()
      yield* running(tasks)
      const queue = yield* JobQueue
      yield* queue.enqueue(Task, { task: "first" })
      yield* eventually(Effect.sync(() => tasks.begun.length > 0))
      // Sessions report their statistics up to a second late.
      yield* sleep(1500)
      const before = yield* transactions
      yield* sleep(5000)
      const after = yield* transactions
      const rate = ((after.count - before.count) / (after.at - before.at)) * 1000
      assert.isAtMost(rate, 25)
      assert.isAbove(rate, 0)
    }),
  )
})
