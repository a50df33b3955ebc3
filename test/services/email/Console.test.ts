import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { failureOf, secretsIn } from "../../fixtures/vendors/Adapting.ts"
import { mailing, message } from "../../fixtures/vendors/Mailing.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "plinth-emails-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true })),
)

describe("An e-mail to the console", () => {
  it.effect(
    "is, in the local environment, a file readable by its owner only, and named in the log",
    () =>
      Effect.gen(function* () {
        const DATA_DIR = yield* directory
        const { logs, send } = yield* mailing({ DATA_DIR })
        yield* TestClock.setTime(Date.UTC(2026, 10, 26, 9, 30))

        assert.deepStrictEqual(yield* send(message, "0198c3d0-6f1e"), { message_id: null })

        const emails = join(DATA_DIR, "emails")
        const [name = "", ...others] = readdirSync(emails)
        assert.deepStrictEqual(others, [])
        assert.match(name, /^2026-11-26T09-30-00\.\d{3}Z-0198c3d0-6f1e\.html$/)
        const file = join(emails, name)
        assert.strictEqual(readFileSync(file, "utf8"), message.html)
        assert.strictEqual(statSync(file).mode & 0o777, 0o600)
        assert.strictEqual(statSync(emails).mode & 0o777, 0o700)
        assert.lengthOf(logs, 1)
        assert.include(logs[0], JSON.stringify(file))
        assert.deepStrictEqual(secretsIn(logs.join("\n")), [])
      }),
  )

  it.effect("stays in its directory, whatever its key is", () =>
    Effect.gen(function* () {
      const DATA_DIR = yield* directory
      const { send } = yield* mailing({ DATA_DIR })
      for (const key of ["../../escaped", "a/b", "\0\n", "", "k".repeat(500)]) {
        yield* send(message, key)
      }
      assert.lengthOf(readdirSync(join(DATA_DIR, "emails")), 5)
      assert.deepStrictEqual(readdirSync(DATA_DIR), ["emails"])
    }),
  )

  it.effect("can be retried if it could not be written", () =>
    Effect.gen(function* () {
      const DATA_DIR = yield* directory
      const { send } = yield* mailing({ DATA_DIR })
      writeFileSync(join(DATA_DIR, "emails"), "no directory")
      const error = yield* failureOf(send(message, "job-1"))
      assert.include(error, { _tag: "EmailUnavailableError", retryable: true })
    }),
  )

  it.effect("is not written in other environments, and the log says that nothing was sent", () =>
    Effect.gen(function* () {
      const DATA_DIR = yield* directory
      const { logs, send } = yield* mailing({ DATA_DIR, ENVIRONMENT: "staging" })
      assert.deepStrictEqual(yield* send(message, "job-1"), { message_id: null })
      assert.deepStrictEqual(readdirSync(DATA_DIR), [])
      assert.lengthOf(logs, 1)
      assert.include(logs[0], "e-mail not sent: EMAIL_PROVIDER is console")
      assert.deepStrictEqual(secretsIn(logs.join("\n")), [])
    }),
  )
})
