import { assert, layer } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { AuditRepo } from "../../src/business/audit/AuditRepo.ts"
import { Users } from "../../src/business/users/Users.ts"
import { type EnqueueOptions, JobQueue } from "../../src/core/jobs/Queue.ts"
import { handler } from "../../src/core/jobs/Execution.ts"
import * as JobRunner from "../../src/core/jobs/Runner.ts"
import { JobStore } from "../../src/core/jobs/Store.ts"
import { uuidV7 } from "../../src/core/Uuid.ts"
import {
  type Job,
  JobId,
  JobState,
  type JobStats,
  type JobType,
} from "../../src/domain/jobs/Job.ts"
import {
  CleanupOldData,
  ExportUserData,
  GenerateDailyReport,
  SendNotificationEmail,
  SendPasswordResetEmail,
  SendWelcomeEmail,
} from "../../src/domain/jobs/JobKinds.ts"
import { UserId } from "../../src/domain/users/User.ts"
import type { CursorPage } from "../../src/domain/Page.ts"
import { type Caller, server } from "../fixtures/http/Callers.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { bodyOf, failureOf, send } from "../fixtures/http/Http.ts"
import { Refused } from "../fixtures/data/Jobs.ts"
import { newUser, tokenFor } from "../TestApp.ts"

const path = "/api/v1/admin/jobs"
const later: EnqueueOptions = { delay: "1 hour" }
const user_id = UserId.make("ada")

const enqueue = <Payload>(type: JobType<Payload>, payload: Payload, options?: EnqueueOptions) =>
  Effect.flatMap(JobQueue, (queue) => queue.enqueue(type, payload, options))

/** Creates an admin without an e-mail address, so that the jobs include no mail to them. */
const newAdmin = Effect.gen(function* () {
  const users = yield* Users
  const id = newUser()
  yield* users.create({ id, email: null, full_name: null, role: "admin" })
  return { id, token: yield* tokenFor(id) } satisfies Caller
})

const list = ({ token }: Caller, query: string) =>
  Effect.map(send({ path: `${path}?${query}`, token }), (answer) => {
    assert.strictEqual(answer.status, 200, answer.text)
    return bodyOf<CursorPage<Job>>(answer)
  })

const statsOf = ({ token }: Pick<Caller, "token">) =>
  Effect.map(send({ path: `${path}/stats`, token }), (answer) => bodyOf<JobStats>(answer))

/** A runner that completes exports, fails welcomes and never ends a report. Jobs without a handler keep waiting. */
const running = Effect.flatMap(
  Effect.all([
    handler(ExportUserData, () => Effect.succeed({ path: "exports/1", token: "canary" })),
    handler(SendWelcomeEmail, () => Effect.fail(new Refused({ message: "no such user" }))),
    handler(GenerateDailyReport, () => Effect.never),
  ]),
  JobRunner.start,
).pipe(Effect.provide(Logger.layer([])))

/** Enqueues 50 jobs for each of five states, interleaved, 5 reports and one delayed cleanup. Returns the newest first. */
const manyJobs = Effect.gen(function* () {
  const { cancel } = yield* JobQueue
  const jobs: Array<Pick<Job, "id" | "name" | "state">> = []
  const note = { user_id, title: "a", body: "b", path: null }
  for (let n = 0; n < 50; n++) {
    const kinds = [
      [yield* enqueue(ExportUserData, { user_id }), ExportUserData, "completed"],
      [yield* enqueue(SendWelcomeEmail, { user_id }), SendWelcomeEmail, "failed"],
      [yield* enqueue(CleanupOldData, {}), CleanupOldData, "waiting"],
      [yield* enqueue(SendNotificationEmail, note, later), SendNotificationEmail, "delayed"],
      [yield* enqueue(SendNotificationEmail, note, later), SendNotificationEmail, "cancelled"],
    ] as const
    for (const [{ id }, { identifier: name }, state] of kinds) {
      if (state === "cancelled") yield* cancel(id)
      jobs.unshift({ id, name, state })
    }
    if (n % 10 > 0) continue
    const { id } = yield* enqueue(GenerateDailyReport, {})
    jobs.unshift({ id, name: GenerateDailyReport.identifier, state: "active" })
  }
  const { id } = yield* enqueue(CleanupOldData, {}, later)
  jobs.unshift({ id, name: CleanupOldData.identifier, state: "delayed" })
  return jobs
})

layer(server(), { excludeTestServices: true, timeout: "60 seconds" })("The list of jobs", (it) => {
  it.effect("contains each job once, with every filter, also while it grows", () =>
    Effect.gen(function* () {
      const admin = yield* newAdmin
      const jobs = yield* manyJobs
      yield* running
      const counts = { waiting: 50, delayed: 51, active: 5 }
      const ended = { completed: 50, failed: 50, cancelled: 50 }
      yield* eventually(Effect.map(statsOf(admin), ({ failed }) => failed === 50))
      yield* eventually(Effect.map(statsOf(admin), ({ completed }) => completed === 50))
      assert.deepStrictEqual(yield* statsOf(admin), { ...counts, ...ended })

      const filters: ReadonlyArray<Partial<Pick<Job, "name" | "state">>> = [
        {},
        ...JobState.literals.map((state) => ({ state })),
        ...Array.from(new Set(jobs.map(({ name }) => name)), (name) => ({ name })),
        { state: "delayed", name: "send_notification_email" },
        { state: "failed", name: "export_user_data" },
        { name: "unknown" },
      ]
      for (const { name, state } of filters) {
        const query = [
          "limit=40",
          ...(state === undefined ? [] : [`state=${state}`]),
          ...(name === undefined ? [] : [`name=${name}`]),
        ].join("&")
        const expected = jobs
          .filter((job) => (state ?? job.state) === job.state && (name ?? job.name) === job.name)
          .map(({ id }) => id)
        const walked: Array<JobId> = []
        let cursor: string | null = ""
        while (cursor !== null) {
          const page: CursorPage<Job> = yield* list(admin, `${query}&cursor=${cursor}`)
          assert.deepStrictEqual(Object.keys(page).toSorted(), ["items", "limit", "next_cursor"])
          walked.push(...page.items.map(({ id }) => id))
          cursor = page.next_cursor
          // Newer than the first page, so not part of this walk.
          const { id } = yield* enqueue(CleanupOldData, {})
          jobs.unshift({ id, name: CleanupOldData.identifier, state: "waiting" })
        }
        assert.deepStrictEqual(walked, expected, query)
      }
    }),
  )
})

layer(server(), { excludeTestServices: true })("/admin/jobs", (it) => {
  it.effect("uses pages of 20 by default, and ends exactly with the last job", () =>
    Effect.gen(function* () {
      const admin = yield* newAdmin
      const [first, second] = [
        yield* enqueue(CleanupOldData, {}, later),
        yield* enqueue(CleanupOldData, {}, later),
      ]
      const all = yield* list(admin, "")
      assert.deepInclude(all, { next_cursor: null, limit: 20 })
      assert.deepStrictEqual(
        all.items.map(({ id }) => id),
        [second.id, first.id],
      )
      assert.isNull((yield* list(admin, "limit=2")).next_cursor)
      const page = yield* list(admin, "limit=1")
      const rest = yield* list(admin, `limit=1&cursor=${page.next_cursor}`)
      assert.deepStrictEqual(rest, { items: all.items.slice(1), next_cursor: null, limit: 1 })
    }),
  )

  it.effect("refuses invalid filters, and lists no job after a foreign cursor", () =>
    Effect.gen(function* () {
      const admin = yield* newAdmin
      yield* enqueue(CleanupOldData, {}, later)
      for (const [name, value] of [
        ["state", "dead"],
        ["state", "Waiting"],
        ["state", ""],
        ["name", "%00"],
        ["limit", "0"],
        ["limit", "101"],
        ["cursor", "nonsense"],
      ]) {
        const answer = yield* send({ path: `${path}?${name}=${value}`, token: admin.token })
        assert.strictEqual(answer.status, 422, `${name}=${value}`)
        assert.strictEqual(failureOf(answer).details["field"], name)
      }
      const foreign = Buffer.from("2026-11-25T09:30:00.000Z user_2abc").toString("base64url")
      assert.deepStrictEqual((yield* list(admin, `cursor=${foreign}`)).items, [])
    }),
  )

  it.effect("returns exactly the fields of the contract", () =>
    Effect.gen(function* () {
      const admin = yield* newAdmin
      const { id } = yield* enqueue(ExportUserData, { user_id }, { ...later, uniqueKey: "ada" })
      const { json } = yield* send({ path: `${path}/${id}`, token: admin.token })
      const { created_at, run_at, ...rest } = json as Job
      assert.deepStrictEqual(rest, {
        id,
        name: "export_user_data",
        state: "delayed",
        payload: { user_id },
        attempts: 0,
        max_attempts: 3,
        progress: null,
        error: null,
        result: null,
        unique_key: "ada",
        started_at: null,
        finished_at: null,
      })
      const hour = Date.parse(run_at) - Date.parse(created_at)
      assert.isAtLeast(hour, 3_599_000)
      assert.isAtMost(hour, 3_610_000)
    }),
  )

  it.effect("lists a cancelled job, and retries it under the same id", () =>
    Effect.gen(function* () {
      const admin = yield* newAdmin
      const { token } = admin
      const { id } = yield* enqueue(ExportUserData, { user_id }, later)
      const at = `${path}/${id}`
      const refused = yield* send({ method: "POST", path: `${at}/retry`, token })
      assert.strictEqual(refused.status, 409)
      assert.deepStrictEqual(failureOf(refused).details, { resource: "Job", reason: "not_failed" })

      const cancelled = yield* send({ method: "DELETE", path: at, token })
      assert.strictEqual(cancelled.status, 200)
      assert.deepInclude(cancelled.json, { id, state: "cancelled" })
      assert.isString(bodyOf<Job>(cancelled).finished_at)
      const listed = yield* list(admin, "state=cancelled")
      assert.deepStrictEqual(listed.items, [bodyOf<Job>(cancelled)])
      const twice = yield* send({ method: "DELETE", path: at, token })
      assert.strictEqual(twice.status, 409)
      assert.deepStrictEqual(failureOf(twice).details, { resource: "Job", reason: "ended" })

      const retried = yield* send({ method: "POST", path: `${at}/retry`, token })
      assert.strictEqual(retried.status, 200)
      assert.deepInclude(retried.json, { id, state: "waiting", finished_at: null })
      assert.deepStrictEqual((yield* list(admin, "state=cancelled")).items, [])
      assert.deepStrictEqual((yield* send({ path: at, token })).json, retried.json)

      const audit = yield* AuditRepo
      const { items } = yield* audit.list(null, { skip: 0, limit: 100 })
      assert.deepStrictEqual(
        items
          .filter(({ resource_id }) => resource_id === id)
          .map(({ action, actor_id }) => [action, actor_id]),
        [
          ["job.retried", admin.id],
          ["job.cancelled", admin.id],
        ],
      )
    }),
  )

  it.effect("does not retry a job while another one has its unique key", () =>
    Effect.gen(function* () {
      const { token } = yield* newAdmin
      const options = { ...later, uniqueKey: "one" }
      const { id } = yield* enqueue(ExportUserData, { user_id }, options)
      yield* send({ method: "DELETE", path: `${path}/${id}`, token })
      yield* enqueue(ExportUserData, { user_id }, options)
      const answer = yield* send({ method: "POST", path: `${path}/${id}/retry`, token })
      assert.strictEqual(answer.status, 409)
      assert.deepInclude(failureOf(answer).details, { reason: "duplicate", field: "unique_key" })
    }),
  )

  it.effect("answers each unknown id with 404, and does not read `stats` as an id", () =>
    Effect.gen(function* () {
      const { token } = yield* newAdmin
      const { id } = yield* enqueue(CleanupOldData, {}, later)
      const ids = [uuidV7(), id.toUpperCase(), "1", "absent", "%00", "%ed%a0%80", "..%2f", "%25"]
      for (const unknown of [...ids, "a".repeat(1000)]) {
        for (const request of [
          { path: `${path}/${unknown}` },
          { method: "DELETE", path: `${path}/${unknown}` },
          { method: "POST", path: `${path}/${unknown}/retry` },
        ]) {
          const answer = yield* send({ ...request, token })
          assert.strictEqual(answer.status, 404, `${unknown}: ${answer.text}`)
        }
      }
      const removed = yield* send({ method: "DELETE", path: `${path}/stats`, token })
      assert.strictEqual(removed.status, 404)
      assert.deepStrictEqual(Object.keys(yield* statsOf({ token })), [
        "waiting",
        "delayed",
        "active",
        "completed",
        "failed",
        "cancelled",
      ])
    }),
  )

  it.effect("never shows a field with a secret name, on reads, cancels, retries and lists", () =>
    Effect.gen(function* () {
      const admin = yield* newAdmin
      const { token } = admin
      const store = yield* JobStore
      const insert = (name: string, payload: unknown) => {
        const id = JobId.make(uuidV7())
        const job = { id, name, payload, request_id: null, trace: null, unique_key: null }
        return Effect.as(
          store.insert({ ...job, max_attempts: 3, priority: 0, delayMs: 3_600_000 }),
          id,
        )
      }
      const reset = { user_id, token: "canary", expires_in_minutes: 5 }
      const note = { user_id, title: "hello", body: "password=canary", path: "/in?token=canary" }
      const ids = [
        (yield* enqueue(SendPasswordResetEmail, reset, later)).id,
        (yield* enqueue(SendNotificationEmail, note, later)).id,
        // Another version may have written such a payload.
        yield* insert("cleanup_old_data", [
          { client_secret: { of: ["canary", { it: "canary" }] }, kept: 1 },
        ]),
      ]
      const done = yield* enqueue(ExportUserData, { user_id })
      yield* running
      yield* eventually(
        Effect.map(
          send({ path: `${path}/${done.id}`, token }),
          ({ json }) => (json as Job).state === "completed",
        ),
      )

      const texts: Array<string> = []
      for (const id of ids) {
        for (const request of [
          { path: `${path}/${id}` },
          { method: "DELETE", path: `${path}/${id}` },
          { method: "POST", path: `${path}/${id}/retry` },
        ]) {
          const answer = yield* send({ ...request, token })
          assert.strictEqual(answer.status, 200)
          assert.include(answer.text, "<redacted>")
          texts.push(answer.text)
        }
      }
      texts.push((yield* send({ path: `${path}?limit=100`, token })).text)
      const shown = yield* send({ path: `${path}/${done.id}`, token })
      assert.deepStrictEqual(bodyOf<Job>(shown).result, { path: "exports/1", token: "<redacted>" })
      assert.notInclude([...texts, shown.text].join(""), "canary")
    }),
  )
})
