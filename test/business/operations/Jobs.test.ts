import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { AuditRepo } from "../../../src/business/audit/AuditRepo.ts"
import { Jobs } from "../../../src/business/operations/Jobs.ts"
import { JobQueue } from "../../../src/core/jobs/Queue.ts"
import { newUser, TestApp } from "../../TestApp.ts"

const later = { delay: "1 hour" } as const

const reset = (token: unknown) => ({ user_id: "ada", token, expires_in_minutes: 5 })

/** The audit log, newest first. */
const recorded = Effect.flatMap(AuditRepo, (repo) =>
  Effect.map(repo.list(null, { skip: 0, limit: 100 }), ({ items }) => items),
)

layer(TestApp, { excludeTestServices: true })("Jobs", (it) => {
  it.effect("enqueues by name from JSON and records no payload in the audit log", () =>
    Effect.gen(function* () {
      const jobs = yield* Jobs
      const queue = yield* JobQueue
      const options = { ...later, uniqueKey: "reset of ada" }
      const json = { ...reset("canary"), more: "canary" }
      const { created, job } = yield* jobs.enqueue(
        "operator",
        "send_password_reset_email",
        json,
        options,
      )
      assert.isTrue(created)
      assert.deepInclude(job, { state: "delayed", payload: reset("<redacted>"), max_attempts: 12 })
      assert.deepStrictEqual((yield* queue.get(job.id)).payload, reset("canary"))

      const again = yield* jobs.enqueue(
        "operator",
        "send_password_reset_email",
        reset("another"),
        options,
      )
      assert.deepStrictEqual(again, { job, created: false })
      const rows = yield* recorded
      assert.deepStrictEqual(
        rows.map(({ action, details, resource_id }) => ({ action, details, resource_id })),
        [
          {
            action: "job.enqueued",
            details: { name: "send_password_reset_email", unique_key: "reset of ada" },
            resource_id: job.id,
          },
        ],
      )
    }),
  )

  it.effect("refuses an invalid payload with every issue and no value, and changes nothing", () =>
    Effect.gen(function* () {
      const jobs = yield* Jobs
      const before = [yield* jobs.stats, (yield* recorded).length]
      const refused = Effect.fnUntraced(function* (name: string, payload: unknown) {
        const error = yield* Effect.flip(jobs.enqueue("operator", name, payload, later))
        assert(error._tag === "ValidationError")
        assert.notInclude(JSON.stringify(error.issues), "canary")
        assert.strictEqual(error.field, error.issues[0]?.path)
        return error.issues.map(({ path }) => path)
      })
      assert.deepStrictEqual(yield* refused("canary", {}), ["name"])
      for (const json of ["canary", null, 7, ["canary"]]) {
        assert.deepStrictEqual(yield* refused("cleanup_old_data", json), ["payload"])
      }
      assert.deepStrictEqual(
        yield* refused("send_password_reset_email", { user_id: ["canary"], token: 7 }),
        ["payload.user_id", "payload.token", "payload.expires_in_minutes"],
      )
      for (const expires_in_minutes of [0, -5, 1.5]) {
        assert.deepStrictEqual(
          yield* refused("send_password_reset_email", { ...reset("canary"), expires_in_minutes }),
          ["payload.expires_in_minutes"],
        )
      }
      for (const text of ["canary\0", "canary\ud800"]) {
        assert.deepStrictEqual(yield* refused("send_password_reset_email", reset(text)), [
          "payload.token",
        ])
      }
      assert.deepStrictEqual([yield* jobs.stats, (yield* recorded).length], before)
    }),
  )

  it.effect("records the actor of a retry or cancellation", () =>
    Effect.gen(function* () {
      const jobs = yield* Jobs
      const actor = {
        id: newUser(),
        email: "root@example.com",
        role: "admin",
        actor: null,
      } as const
      const { job } = yield* jobs.enqueue(actor, "cleanup_old_data", {}, later)
      yield* jobs.cancel(actor, job.id)
      yield* jobs.retry("operator", job.id)
      yield* jobs.cancel("operator", job.id)
      const rows = (yield* recorded).filter(({ resource_id }) => resource_id === job.id)
      assert.deepStrictEqual(
        rows.map(({ action, actor_email, actor_id, resource_type }) => [
          action,
          actor_id,
          actor_email,
          resource_type,
        ]),
        [
          ["job.cancelled", null, null, "Job"],
          ["job.retried", null, null, "Job"],
          ["job.cancelled", actor.id, actor.email, "Job"],
          ["job.enqueued", actor.id, actor.email, "Job"],
        ],
      )
    }),
  )

  it.effect("changes a job only together with its audit row", () =>
    Effect.gen(function* () {
      const jobs = yield* Jobs
      const sql = yield* SqlClient.SqlClient
      const enqueue = jobs.enqueue("operator", "cleanup_old_data", {}, later)
      const [{ job: waiting }, { job: cancelled }] = [yield* enqueue, yield* enqueue]
      yield* jobs.cancel("operator", cancelled.id)
      const before = yield* jobs.stats

      yield* sql`ALTER TABLE audit_logs RENAME TO audit_logs_elsewhere`
      const outcomes = [
        yield* Effect.exit(jobs.cancel("operator", waiting.id)),
        yield* Effect.exit(jobs.retry("operator", cancelled.id)),
        yield* Effect.exit(enqueue),
      ]
      assert.deepStrictEqual(
        outcomes.map(({ _tag }) => _tag),
        ["Failure", "Failure", "Failure"],
      )
      yield* sql`ALTER TABLE audit_logs_elsewhere RENAME TO audit_logs`
      assert.deepStrictEqual(yield* jobs.stats, before)
      assert.strictEqual((yield* jobs.get(waiting.id)).state, "delayed")
      assert.strictEqual((yield* jobs.get(cancelled.id)).state, "cancelled")
    }),
  )
})
