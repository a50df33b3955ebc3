import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Jobs } from "../../src/business/operations/Jobs.ts"
import { JobStore } from "../../src/core/jobs/Store.ts"
import type { Job } from "../../src/domain/jobs/Job.ts"
import {
  canary,
  jsonOf,
  processTimeoutMs,
  plinth,
  unbundledPlinth,
} from "../fixtures/processes/Plinth.ts"
import { TestApp } from "../TestApp.ts"
import { dialect, TestDatabase } from "../TestDatabase.ts"

/** Runs a command line against this file's database, which an application also uses. */
const run = (line: string) =>
  Effect.flatMap(TestDatabase, (DATABASE_URL) => plinth({ DATABASE_URL }, ...line.split(" ")))

/** Returns the output of the command with `--json`. */
const json = <A = Job>(line: string) =>
  Effect.map(run(`${line} --json`), (outcome) => jsonOf(outcome) as A)

const failed = (...lines: ReadonlyArray<string>) => ({
  code: 1,
  stderr: lines.map((line) => `plinth: ${line}\n`).join(""),
  stdout: "",
})

/** NODE_OPTIONS that end a program which loads this package. */
const without = (name: string) => {
  const script = `import{registerHooks}from"node:module";registerHooks({resolve:(it,context,next)=>{if(it==="${name}")throw"loaded";return(next(it,context))}})`
  return `--disable-warning=ExperimentalWarning --import=data:text/javascript,${encodeURIComponent(script)}`
}

layer(TestApp, { excludeTestServices: true })("plinth jobs", (it) => {
  it.effect(
    "enqueues, lists, shows, counts, cancels and retries jobs like the API",
    () =>
      Effect.gen(function* () {
        const jobs = yield* Jobs
        const later = { delay: "1 hour" } as const
        const { job: first } = yield* jobs.enqueue("operator", "cleanup_old_data", {}, later)
        const line = `jobs enqueue export_user_data {"user_id":"ada"} --delay 3600`
        const second = yield* json(`${line} --priority -5 --unique-key ada`)
        assert.deepInclude(second, {
          name: "export_user_data",
          state: "delayed",
          payload: { user_id: "ada" },
          unique_key: "ada",
        })
        assert.deepStrictEqual(yield* jobs.get(second.id), second)

        const page = yield* json<{ readonly next_cursor: string }>("jobs list --limit 1")
        const { next_cursor } = page
        assert.deepStrictEqual<unknown>(page, { items: [second], next_cursor, limit: 1 })
        const filter = `--state delayed --name cleanup_old_data --limit 5`
        const [rest, shown, counted] = yield* Effect.all(
          [
            json(`jobs list ${filter} --cursor ${next_cursor}`),
            json(`jobs show ${first.id}`),
            json("jobs stats"),
          ],
          { concurrency: 2 },
        )
        assert.deepStrictEqual<unknown>(rest, { items: [first], next_cursor: null, limit: 5 })
        assert.deepStrictEqual(shown, first)
        assert.deepStrictEqual<unknown>(counted, yield* jobs.stats)

        const cancelled = yield* json(`jobs cancel --yes ${second.id}`)
        assert.deepInclude(cancelled, { id: second.id, state: "cancelled" })
        const listed = yield* run("jobs list --state cancelled")
        assert.match(
          listed.stdout,
          new RegExp(
            `^id +name +state +attempts .*\n${second.id} +export_user_data +cancelled +0/3 .*\n$`,
          ),
        )
        const retried = yield* json(`jobs retry ${second.id}`)
        assert.deepInclude(retried, { id: second.id, state: "waiting", finished_at: null })

        const store = yield* JobStore
        const [claim] = yield* store.claim("export_user_data", 1)
        assert(claim !== undefined)
        yield* store.settle([{ claim, outcome: "failed", error: "Refused: no such user" }])
        const failures = yield* run("jobs list --state failed")
        assert.match(failures.stdout, / error\n\S+ +export_user_data .* Refused: no such user\n$/)
      }),
    processTimeoutMs,
  )

  it.effect(
    "explains a refusal in one line, and enqueues no second job of a key",
    () =>
      Effect.gen(function* () {
        const jobs = yield* Jobs
        const options = { delay: "1 hour", uniqueKey: "only" } as const
        const { job } = yield* jobs.enqueue("operator", "cleanup_old_data", {}, options)
        const before = yield* jobs.stats
        const outcomes = yield* Effect.forEach(
          [
            "jobs show nope",
            `jobs retry ${job.id}`,
            "jobs enqueue nope",
            `jobs enqueue send_password_reset_email {"user_id":7,"token":"${canary}\\u0000"}`,
            "jobs enqueue cleanup_old_data --unique-key only --json",
          ],
          run,
          { concurrency: 2 },
        )
        const [show, retry, unknown, invalid, again] = outcomes
        assert.deepStrictEqual(show, failed("no job has the id nope"))
        assert.deepStrictEqual(retry, failed("Job has neither failed nor been cancelled"))
        assert.match(unknown?.stderr ?? "", /^plinth: name: must be one of .*cleanup_old_data.*\n$/)
        assert.deepStrictEqual(
          invalid,
          failed("payload.user_id: Expected string", "payload.expires_in_minutes: Missing key"),
        )
        assert.deepStrictEqual([again?.code, JSON.parse(again?.stdout ?? "")], [0, job])
        assert.strictEqual(
          again?.stderr,
          "plinth: a job of this kind with this key is already waiting or running\n",
        )
        assert.deepStrictEqual(yield* jobs.stats, before)
      }),
    processTimeoutMs,
  )

  it.effect(
    "shows no secrets and no control characters of a payload",
    () =>
      Effect.gen(function* () {
        const payload = JSON.stringify({
          user_id: "\u001B[2Jada",
          token: canary,
          expires_in_minutes: 5,
        })
        const DATABASE_URL = yield* TestDatabase
        const words = ["jobs", "enqueue", "send_password_reset_email", payload, "--delay", "60"]
        const enqueued = yield* plinth({ DATABASE_URL }, ...words)
        const [id = ""] = /(?<=^id +)\S+/.exec(enqueued.stdout) ?? []
        const cancelled = yield* run(`jobs cancel ${id} --yes`)
        for (const { code, stdout } of [enqueued, cancelled]) {
          assert.strictEqual(code, 0)
          assert.include(stdout, `"token":"<redacted>"`)
          assert.notInclude(stdout, "\u001B")
        }
        // `plinth` fails the test when the canary is in the output.
        assert.include((yield* run("jobs list --json")).stdout, "<redacted>")
      }),
    processTimeoutMs,
  )

  it.effect(
    "loads pg-boss only for PostgreSQL",
    () =>
      Effect.gen(function* () {
        const DATABASE_URL = yield* TestDatabase
        const environment = { DATABASE_URL, NODE_OPTIONS: without("pg-boss") }
        const { code } = yield* unbundledPlinth(environment, "jobs", "list")
        assert.strictEqual(code, dialect() === "sqlite" ? 0 : 1)
      }),
    processTimeoutMs,
  )
})
