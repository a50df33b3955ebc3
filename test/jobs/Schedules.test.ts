import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Worker from "../../src/jobs/Worker.ts"
import { appWithMail } from "../fixtures/MailServer.ts"
import { TestApp } from "../TestApp.ts"

/** Seconds, minutes, hours, days, months and weekdays of each; the laws of `JobQueue` prove that they fire then. */
const schedules = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ name: string; cron: string }>`SELECT name, cron FROM job_schedules`
  return Object.fromEntries(rows.map(({ cron, name }) => [name, cron]))
})

const cleaning = {
  cleanup_old_data: "0 0 0 * * 0",
  sweep_idempotency_keys: "0 0,10,20,30,40,50 * * * *",
}

layer(appWithMail, { excludeTestServices: true })("A worker", (it) => {
  it.effect("reports at nine, cleans up on Sundays and sweeps every ten minutes", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* schedules, {
        ...cleaning,
        generate_daily_report: "0 0 9 * * *",
      })
    }),
  )
})

layer(Worker.layer.pipe(Layer.provideMerge(TestApp)), { excludeTestServices: true })(
  "A worker without ADMIN_EMAIL",
  (it) => {
    it.effect("reports to nobody", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* schedules, cleaning)
      }),
    )
  },
)
