import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Emails } from "../../src/business/emails/Emails.ts"
import { Usage } from "../../src/business/usage/Usage.ts"
import { Users } from "../../src/business/users/Users.ts"
import { handler } from "../../src/core/jobs/Execution.ts"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import { type Job, JobId } from "../../src/domain/jobs/Job.ts"
import {
  CleanupOldData,
  ExportUserData,
  SendNotificationEmail,
} from "../../src/domain/jobs/JobKinds.ts"
import type { UserId } from "../../src/domain/users/User.ts"
import { metered } from "../../src/jobs/Metered.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { appWithMail, MailServer } from "../fixtures/servers/MailServer.ts"
import { newUser } from "../TestApp.ts"

const newPerson = Effect.gen(function* () {
  const id = newUser()
  const users = yield* Users
  yield* users.create({ id, email: `${id}@example.com`, full_name: null, role: "user" })
  return id
})

const becomes = Effect.fnUntraced(function* (id: JobId, state: Job["state"]) {
  const queue = yield* JobQueue
  yield* eventually(Effect.map(queue.get(id), (job) => job.state === state))
})

/** Returns metric, dimension and quantity of all usage of the user. */
const used = Effect.fnUntraced(function* (user: UserId) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ metric: string; dimension: string; quantity: number }>`
    SELECT metric, dimension, quantity FROM usage_daily WHERE user_id = ${user}
    ORDER BY metric, dimension
  `
  return rows.map(({ dimension, metric, quantity }) => [metric, dimension, quantity])
})

const notify = (user_id: UserId) =>
  Effect.flatMap(JobQueue, ({ enqueue }) =>
    enqueue(SendNotificationEmail, { user_id, title: "Hello", body: "There", path: null }),
  )

layer(appWithMail, { excludeTestServices: true, timeout: "60 seconds" })("Usage of jobs", (it) => {
  it.effect("is recorded once for the user in the payload, with the e-mails that were sent", () =>
    Effect.gen(function* () {
      const { state } = yield* MailServer
      const user = yield* newPerson
      // The first attempt fails after the e-mail was sent.
      state.first.push("cut_after", "cut_after", "cut_after", "cut_after")
      const first = yield* notify(user)
      yield* becomes(first.id, "completed")
      const second = yield* notify(user)
      yield* becomes(second.id, "completed")
      const { notification } = yield* Emails
      yield* notification(user, { title: "Hello", body: "There", path: null }, first.id)
      assert.deepStrictEqual(yield* used(user), [
        ["background_jobs", "send_notification_email", 2],
        ["email_sent", "notification", 2],
      ])
    }),
  )

  it.effect("is recorded once for a job that runs again because it could not be settled", () =>
    Effect.gen(function* () {
      const user = yield* newPerson
      const done = yield* handler(ExportUserData, () => Effect.succeed("done"))
      const { run } = metered(yield* Usage)(done)
      const id = JobId.make(newUser())
      for (const attempt of [1, 2, 3]) {
        const context = { id, attempt, progress: () => Effect.void }
        assert.strictEqual(yield* run({ user_id: user }, context), "done")
      }
      assert.deepStrictEqual(yield* used(user), [["background_jobs", "export_user_data", 1]])
    }),
  )

  it.effect("is recorded without an e-mail when none was sent", () =>
    Effect.gen(function* () {
      const users = yield* Users
      const user = yield* newPerson
      yield* users.deactivate("operator", user)
      const { id } = yield* notify(user)
      yield* becomes(id, "completed")
      assert.deepStrictEqual(yield* used(user), [["background_jobs", "send_notification_email", 1]])
    }),
  )

  it.effect("is not recorded for jobs without a user, or that did not complete", () =>
    Effect.gen(function* () {
      const { enqueue } = yield* JobQueue
      const sql = yield* SqlClient.SqlClient
      const cleanup = yield* enqueue(CleanupOldData, {})
      yield* becomes(cleanup.id, "completed")
      const unknown = newUser()
      const failed = yield* enqueue(ExportUserData, { user_id: unknown })
      yield* becomes(failed.id, "failed")
      const rows = yield* sql`
        SELECT source FROM usage_events WHERE source IN (${`job:${cleanup.id}`}, ${`job:${failed.id}`})
      `
      assert.deepStrictEqual(rows, [])
    }),
  )
})
