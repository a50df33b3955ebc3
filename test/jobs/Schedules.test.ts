import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { SqlClient } from "effect/sql"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import { GenerateDailyReport } from "../../src/domain/jobs/JobKinds.ts"
import * as Worker from "../../src/jobs/Worker.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { appWithMail } from "../fixtures/servers/MailServer.ts"
import { TestApp } from "../TestApp.ts"

/** The seconds, minutes, hours, days, months and weekdays of each. The laws of `JobQueue` prove that they fire then. */
const schedules = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ name: string; cron: string }>`SELECT name, cron FROM job_schedules`
  return Object.fromEntries(rows.map(({ cron, name }) => [name, cron]))
})

const cleaning = {
  cleanup_old_data: "0 0 0 * * 0",
  sweep_idempotency_keys: "0 0,10,20,30,40,50 * * * *",
  sweep_ai_reservations: "0 0,5,10,15,20,25,30,35,40,45,50,55 * * * *",
}

layer(appWithMail, { excludeTestServices: true })("A worker", (it) => {
  it.effect(
    "schedules the report at nine, the cleanup on Sundays, and sweeps every few minutes",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* schedules, {
          ...cleaning,
          generate_daily_report: "0 0 9 * * *",
        })
      }),
  )
})

const withoutAdmin = Worker.layer.pipe(Layer.provideMerge(TestApp), Layer.provide(Logger.layer([])))

layer(withoutAdmin, { excludeTestServices: true })("A worker without ADMIN_EMAIL", (it) => {
  it.effect("schedules no report, and fails one that is enqueued with the missing setting", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* schedules, cleaning)

      const queue = yield* JobQueue
      const { id } = yield* queue.enqueue(GenerateDailyReport, {})
      yield* eventually(Effect.map(queue.get(id), ({ state }) => state === "failed"))
      assert.deepInclude(yield* queue.get(id), {
        attempts: 1,
        error: "EmailNotConfiguredError: E-mail is not configured: ADMIN_EMAIL is not set",
      })
    }),
  )
})
