import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Projects } from "../../src/business/projects/Projects.ts"
import { Users } from "../../src/business/users/Users.ts"
import { Database } from "../../src/core/sql/Database.ts"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import type { Job, JobId } from "../../src/domain/jobs/Job.ts"
import {
  GenerateDailyReport,
  SendNotificationEmail,
  SendPasswordResetEmail,
} from "../../src/domain/jobs/JobKinds.ts"
import { ago } from "../../src/domain/Fields.ts"
import type { UserId } from "../../src/domain/users/User.ts"
import { identity } from "../fixtures/data/Business.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { admin, appWithMail, MailServer, publicUrl } from "../fixtures/servers/MailServer.ts"
import { newUser } from "../TestApp.ts"

const signIn = (id: UserId, email: string | null = `${id}@example.com`, iat = 1000) =>
  Effect.flatMap(Users, (users) =>
    Effect.clockWith((clock) =>
      users.resolve(identity(id, { email, full_name: "Ada Lovelace", issued_at: iat }), clock),
    ),
  )

/** Returns the e-mails that the provider accepted for this address. */
const mailsTo = (address: string) =>
  Effect.map(MailServer, ({ mails }) => mails.filter(({ to }) => to.includes(address)))

const jobsOf = (user: UserId) =>
  Effect.flatMap(JobQueue, (queue) => queue.list({ user, limit: 100 }))

const becomes = (id: JobId, state: Job["state"]) =>
  eventually(
    Effect.map(
      Effect.flatMap(JobQueue, (queue) => queue.get(id)),
      (job) => job.state === state,
    ),
  )

const onlyJobOf = Effect.fnUntraced(function* (user: UserId) {
  const jobs = yield* jobsOf(user)
  assert.strictEqual(jobs.length, 1)
  const [job] = jobs
  assert(job !== undefined)
  return job
})

/** Makes the provider behave like this on every request, until the scope closes. */
const answering = (behaviour: MailServer["Service"]["state"]["behaviour"]) =>
  Effect.flatMap(MailServer, ({ state }) =>
    Effect.acquireRelease(
      Effect.sync(() => void (state.behaviour = behaviour)),
      () => Effect.sync(() => void (state.behaviour = "documented")),
    ),
  )

layer(appWithMail, { excludeTestServices: true, timeout: "60 seconds" })("E-mails", (it) => {
  it.effect("welcome a user once, at their first sign-in", () =>
    Effect.gen(function* () {
      const id = newUser()
      const address = `${id}@example.com`
      yield* Effect.all([signIn(id), signIn(id), signIn(id, address, 1001)], {
        concurrency: "unbounded",
      })
      const { id: job, name } = yield* onlyJobOf(id)
      assert.strictEqual(name, "send_welcome_email")
      yield* becomes(job, "completed")
      yield* signIn(id, address, 2000)
      const mails = yield* mailsTo(address)
      assert.strictEqual(mails.length, 1)
      assert.include(mails[0]?.html, "Welcome, Ada Lovelace")
      assert.include(mails[0]?.text, `${publicUrl}/`)
      assert.strictEqual((yield* jobsOf(id)).length, 1)
    }),
  )

  it.effect("welcome no user whose sign-in was rolled back, or who has no address", () =>
    Effect.gen(function* () {
      const [rolledBack, nameless] = [newUser(), newUser()]
      const { transaction } = yield* Database
      yield* Effect.exit(
        transaction(Effect.andThen(signIn(rolledBack), Effect.fail("rolled back" as const))),
      )
      yield* signIn(nameless, null)
      assert.deepStrictEqual(yield* jobsOf(rolledBack), [])
      assert.deepStrictEqual(yield* jobsOf(nameless), [])
    }),
  )

  it.effect("welcome a user created by an operator at their first sign-in, not before", () =>
    Effect.gen(function* () {
      const id = newUser()
      const users = yield* Users
      yield* users.create({ id, email: `${id}@example.com`, full_name: null, role: "user" })
      assert.deepStrictEqual(yield* jobsOf(id), [])
      yield* signIn(id)
      yield* signIn(id, `${id}@example.com`, 2000)
      const job = yield* onlyJobOf(id)
      yield* becomes(job.id, "completed")
      assert.strictEqual((yield* mailsTo(`${id}@example.com`)).length, 1)
    }),
  )

  it.effect("are not sent twice when a job is retried", () =>
    Effect.gen(function* () {
      const { state } = yield* MailServer
      const id = newUser()
      // The provider accepts the e-mail and cuts the answer, as when the worker dies at that moment.
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* answering("cut_after")
          yield* signIn(id)
          yield* eventually(Effect.sync(() => state.requests.length > 2))
        }),
      )
      const job = yield* onlyJobOf(id)
      yield* becomes(job.id, "completed")
      assert.strictEqual((yield* mailsTo(`${id}@example.com`)).length, 1)
    }),
  )

  it.effect("count as sent when the name in them changes between two attempts", () =>
    Effect.gen(function* () {
      const { state } = yield* MailServer
      const queue = yield* JobQueue
      const users = yield* Users
      const id = newUser()
      const job = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* answering("cut_after")
          yield* signIn(id)
          const found = yield* onlyJobOf(id)
          yield* becomes(found.id, "delayed")
          return found.id
        }),
      )
      yield* users.update(id, { full_name: "Ada King" })
      yield* queue.cancel(job)
      yield* queue.retry(job)
      yield* becomes(job, "completed")
      assert.include(state.requests.at(-1)?.body, "Ada King")
      assert.strictEqual((yield* mailsTo(`${id}@example.com`)).length, 1)
    }),
  )

  it.effect("fails a refused e-mail at once, with a reason that contains no address", () =>
    Effect.gen(function* () {
      const id = newUser()
      const job = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* answering({
            status: 422,
            headers: { "content-type": "application/json" },
            body: JSON.stringify({
              statusCode: 422,
              name: "validation_error",
              message: `Invalid \`to\` field: ${id}@example.com`,
            }),
          })
          yield* signIn(id)
          const found = yield* onlyJobOf(id)
          yield* becomes(found.id, "failed")
          return found.id
        }),
      )
      const queue = yield* JobQueue
      const { attempts, error } = yield* queue.get(job)
      assert.strictEqual(attempts, 1)
      assert.match(error ?? "", /^EmailRejectedError: /)
      assert.notInclude(error, id)
      // An operator fixes the cause and retries the job.
      yield* queue.retry(job)
      yield* becomes(job, "completed")
      assert.strictEqual((yield* mailsTo(`${id}@example.com`)).length, 1)
    }),
  )

  it.effect("are retried after the provider's Retry-After", () =>
    Effect.gen(function* () {
      const queue = yield* JobQueue
      const id = newUser()
      const job = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* answering({ status: 429, headers: { "retry-after": "3600" } })
          yield* signIn(id)
          const found = yield* onlyJobOf(id)
          yield* becomes(found.id, "delayed")
          return yield* queue.get(found.id)
        }),
      )
      assert.strictEqual(
        job.error,
        "EmailThrottledError: The e-mail provider's rate limit is reached",
      )
      const wait = Date.parse(job.run_at) - Date.parse(job.started_at ?? "")
      assert.isAtLeast(wait, 3_599_000)
      assert.isAtMost(wait, 3_660_000)
    }),
  )

  it.effect("are not sent to invalid addresses, nor to users without address or deactivated", () =>
    Effect.gen(function* () {
      const queue = yield* JobQueue
      const { state } = yield* MailServer
      const [hostile, deactivated, nameless] = [newUser(), newUser(), newUser()]
      const asked = state.requests.length
      yield* signIn(hostile, `"a,b"@example.com`)
      const bad = yield* onlyJobOf(hostile)
      yield* becomes(bad.id, "failed")
      assert.lengthOf(state.requests, asked)

      yield* signIn(deactivated)
      yield* becomes((yield* onlyJobOf(deactivated)).id, "completed")
      const users = yield* Users
      yield* users.deactivate("operator", deactivated)
      yield* signIn(nameless, null)
      const news = { title: "News", body: "None", path: null }
      for (const [user_id, skipped] of [
        [deactivated, "deactivated"],
        [nameless, "no_address"],
      ] as const) {
        const { id } = yield* queue.enqueue(SendNotificationEmail, { user_id, ...news })
        yield* becomes(id, "completed")
        assert.deepStrictEqual((yield* queue.get(id)).result, { skipped })
      }
      assert.strictEqual((yield* mailsTo(`${deactivated}@example.com`)).length, 1)
    }),
  )

  it.effect("follow a user whom an operator relinks to another id", () =>
    Effect.gen(function* () {
      const queue = yield* JobQueue
      const users = yield* Users
      const [before, id, other] = [newUser(), newUser(), newUser()]
      const address = `${before}@example.com`
      for (const one of [before, other]) {
        yield* signIn(one)
        yield* becomes((yield* onlyJobOf(one)).id, "completed")
      }
      const news = { title: "News", body: "None", path: null }
      const later = { delay: "1 hour" } as const
      const note = yield* queue.enqueue(SendNotificationEmail, { user_id: before, ...news }, later)
      yield* users.relink(before, id)

      assert.deepStrictEqual(yield* jobsOf(before), [])
      assert.lengthOf(yield* jobsOf(id), 2)
      assert.lengthOf(yield* jobsOf(other), 1)
      assert.deepStrictEqual((yield* queue.get(note.id)).payload, { user_id: id, ...news })
      yield* queue.cancel(note.id)
      yield* queue.retry(note.id)
      yield* becomes(note.id, "completed")
      assert.strictEqual((yield* mailsTo(address)).at(-1)?.subject, "News")
    }),
  )

  it.effect("report new and existing users and projects, without deleted ones", () =>
    Effect.gen(function* () {
      const queue = yield* JobQueue
      const projects = yield* Projects
      const sql = yield* SqlClient.SqlClient
      const [first, second] = [newUser(), newUser()]
      for (const id of [first, second]) yield* signIn(id)
      const make = (name: string) =>
        projects.create({ id: first, plan: "free" }, { name, description: null })
      const [old, deleted] = [yield* make("old"), yield* make("deleted"), yield* make("new")]
      yield* projects.remove(first, deleted.id)
      const long = yield* ago("25 hours")
      yield* sql`UPDATE users SET created_at = ${long} WHERE id <> ${second}`
      yield* sql`UPDATE users SET is_active = ${false} WHERE id NOT IN (${first}, ${second})`
      yield* sql`UPDATE projects SET created_at = ${long} WHERE id = ${old.id}`
      const all = yield* sql`SELECT id FROM users`

      const before = (yield* mailsTo(admin)).length
      const { id } = yield* queue.enqueue(GenerateDailyReport, {})
      yield* becomes(id, "completed")
      const [report] = (yield* mailsTo(admin)).slice(before)
      assert.deepStrictEqual(
        [...(report?.text ?? "").matchAll(/^ {2}(\w.*\w) +(\d+)$/gm)]
          .slice(0, 5)
          .map(([, label, value]) => [label?.trim(), Number(value)]),
        [
          ["Total", all.length],
          ["Active", 2],
          ["New in the last 24 hours", 1],
          ["Total", 2],
          ["New in the last 24 hours", 1],
        ],
      )
    }),
  )

  it.effect("notify, reset passwords and report, with links only to PUBLIC_URL", () =>
    Effect.gen(function* () {
      const queue = yield* JobQueue
      const { state } = yield* MailServer
      const user_id = newUser()
      const address = `${user_id}@example.com`
      yield* signIn(user_id)
      const jobs = [
        yield* queue.enqueue(SendNotificationEmail, {
          user_id,
          title: "Line one\r\nBcc: eve@example.com",
          body: "See <b>this</b>",
          path: "//evil.example/x",
        }),
        yield* queue.enqueue(SendPasswordResetEmail, {
          user_id,
          token: "a b&c=d",
          expires_in_minutes: 30,
        }),
        yield* queue.enqueue(GenerateDailyReport, {}),
      ]
      for (const { id } of jobs) yield* becomes(id, "completed")

      const mails = yield* mailsTo(address)
      const found = mails.find(({ subject }) => subject.startsWith("Line one"))
      assert.strictEqual(found?.subject, "Line one Bcc: eve@example.com")
      assert.include(found?.html, "See &lt;b&gt;this&lt;/b&gt;")
      const link = mails.find(({ subject }) => subject.startsWith("Reset"))
      assert.include(link?.text, `${publicUrl}/reset-password?token=a%20b%26c%3Dd`)
      const [report] = yield* mailsTo(admin)
      assert.match(report?.text ?? "", /Total/)
      for (const { html } of [...mails, ...(report ? [report] : [])]) {
        for (const [, href = ""] of html.matchAll(/href="([^"]*)"/g)) {
          assert.isTrue(href.startsWith(`${publicUrl}/`), href)
        }
      }
      assert.deepStrictEqual(state.violations, [])
    }),
  )
})
