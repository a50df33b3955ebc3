import { assert, layer } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { Users } from "../../../src/business/users/Users.ts"
import { emailKey, UsersRepo } from "../../../src/business/users/UsersRepo.ts"
import { JobQueue } from "../../../src/core/jobs/Queue.ts"
import { now } from "../../../src/domain/Fields.ts"
import { isEmailAddress } from "../../../src/domain/Email.ts"
import type { Identity } from "../../../src/domain/users/Identity.ts"
import { UserId } from "../../../src/domain/users/User.ts"
import * as Business from "../../fixtures/data/Business.ts"
import { countOf } from "../../fixtures/data/Counts.ts"
import { dialect } from "../../TestDatabase.ts"

const { identity, start } = Business
const atStart = TestClock.setTime(start * 1000)

const resolve = (who: Identity) =>
  Effect.flatMap(Users, (users) => Effect.clockWith((clock) => users.resolve(who, clock)))

const events = (event: "signup" | "login") =>
  countOf("auth_events_total", { event, provider: "custom" })

/** Returns how many statements of this kind ran on `users`, by the metrics. */
const queries = (operation: string) => countOf("db_queries_total", { operation, table: "users" })

layer(Business.layer)("Users.resolve", (it) => {
  it.effect("creates the user on the first request, from the token", () =>
    Effect.gen(function* () {
      yield* atStart
      const user = yield* resolve(
        identity("first", {
          full_name: "Ada",
          avatar_url: "https://example.com/a.png",
          role: "admin",
        }),
      )
      assert.deepInclude(user, {
        id: UserId.make("first"),
        email: "first@example.com",
        full_name: "Ada",
        avatar_url: "https://example.com/a.png",
        role: "admin",
        is_active: true,
        subscription_plan: "free",
        subscription_status: "none",
        login_count: 1,
        last_token_iat: start,
        created_at: user.updated_at,
      })
      assert.strictEqual(user.created_at, "1970-01-01T00:16:40.000Z")
    }),
  )

  it.effect(
    "creates no user whose welcome job cannot be enqueued, and retries on the next request",
    () =>
      Effect.gen(function* () {
        yield* atStart
        const sql = yield* SqlClient.SqlClient
        const repo = yield* UsersRepo
        const rename = (from: string, to: string) =>
          dialect() === "pg"
            ? sql`ALTER SCHEMA ${sql(from)} RENAME TO ${sql(to)}`
            : sql`ALTER TABLE ${sql(from)} RENAME TO ${sql(to)}`
        const jobs = dialect() === "pg" ? "pgboss" : "jobs"
        const who = identity("unwelcome")
        yield* rename(jobs, "elsewhere")
        assert.isTrue(Exit.isFailure(yield* Effect.exit(resolve(who))))
        yield* rename("elsewhere", jobs)
        assert.isUndefined(yield* repo.find(who.sub))

        yield* resolve(who)
        const { list } = yield* JobQueue
        assert.lengthOf(yield* list({ user: who.sub, limit: 10 }), 1)
      }),
  )

  it.effect(
    "creates one row and one sign-up for 50 concurrent first requests in two processes",
    () =>
      Effect.gen(function* () {
        yield* atStart
        const other = yield* Business.anotherProcess
        const signups = Effect.all([events("signup"), Effect.provide(events("signup"), other)])
        const before = yield* signups
        const found = yield* Effect.forEach(
          Array.from({ length: 50 }, (_, index) => index),
          // Each token differs, so that the requests share only the database.
          (index) => {
            const request = resolve(identity("crowd", { issued_at: start - index }))
            return index % 2 === 0 ? request : Effect.provide(request, other)
          },
          { concurrency: "unbounded" },
        )
        assert.deepStrictEqual(new Set(found.map(({ id }) => id)), new Set(["crowd"]))
        const after = yield* signups
        assert.strictEqual(after[0] + after[1] - before[0] - before[1], 1)
        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql`SELECT id FROM users WHERE email_key = ${"crowd@example.com"}`
        assert.strictEqual(rows.length, 1)
      }),
  )

  it.effect("reads the user once in 2 s, and writes once per token", () =>
    Effect.gen(function* () {
      yield* atStart
      yield* resolve(identity("steady"))
      const counts = Effect.all([queries("SELECT"), queries("INSERT"), queries("UPDATE")])
      const [reads, ...writes] = yield* counts
      assert.isAbove(reads, 0)
      yield* TestClock.adjust("1999 millis")
      for (let request = 0; request < 20; request += 1) yield* resolve(identity("steady"))
      assert.deepStrictEqual(yield* counts, [reads, ...writes])
      yield* TestClock.adjust("1 millis")
      for (let request = 0; request < 20; request += 1) yield* resolve(identity("steady"))
      assert.deepStrictEqual(yield* counts, [reads + 1, ...writes])
    }),
  )

  it.effect("shares one read among concurrent requests", () =>
    Effect.gen(function* () {
      yield* atStart
      yield* resolve(identity("shared"))
      yield* TestClock.adjust("2 seconds")
      const reads = yield* queries("SELECT")
      yield* Effect.all(
        Array.from({ length: 20 }, () => resolve(identity("shared"))),
        {
          concurrency: "unbounded",
        },
      )
      assert.strictEqual(yield* queries("SELECT"), reads + 1)
    }),
  )

  it.effect("counts a newer token as one login, in however many processes it is used", () =>
    Effect.gen(function* () {
      yield* atStart
      const other = yield* Business.anotherProcess
      const logins = Effect.all([events("login"), Effect.provide(events("login"), other)])
      yield* resolve(identity("regular"))
      const before = yield* logins
      const newer = identity("regular", { issued_at: start + 60 })
      yield* TestClock.adjust("60 seconds")
      const everywhere = [resolve(newer), Effect.provide(resolve(newer), other)]
      yield* Effect.all([...everywhere, ...everywhere], { concurrency: "unbounded" })
      const after = yield* logins
      assert.strictEqual(after[0] + after[1] - before[0] - before[1], 1)
      const user = yield* resolve(newer)
      assert.strictEqual(user.login_count, 2)
      assert.strictEqual(user.last_login_at, "1970-01-01T00:17:40.000Z")

      // The older token is still valid, but counts no login.
      yield* resolve(identity("regular"))
      assert.strictEqual((yield* resolve(newer)).login_count, 2)
    }),
  )

  it.effect(
    "takes a changed e-mail from a newer token immediately, and never from an older one",
    () =>
      Effect.gen(function* () {
        yield* atStart
        yield* resolve(identity("mover"))
        const moved = identity("mover", { email: "moved@example.com" })
        assert.strictEqual((yield* resolve(moved)).email, "moved@example.com")

        const later = identity("mover", { email: "Moved@Example.com", issued_at: start + 1 })
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* resolve(later)).email, "Moved@Example.com")
        assert.strictEqual((yield* resolve(moved)).email, "Moved@Example.com")
        const nothing = identity("mover", { email: null, issued_at: start + 2 })
        assert.strictEqual((yield* resolve(nothing)).email, "Moved@Example.com")

        const writes = yield* queries("UPDATE")
        for (const token of [later, moved, nothing]) {
          yield* TestClock.adjust("2 seconds")
          yield* resolve(token)
        }
        assert.strictEqual(yield* queries("UPDATE"), writes)
      }),
  )

  it.effect("takes an e-mail that a later token adds", () =>
    Effect.gen(function* () {
      yield* atStart
      const anonymous = { email: null, issued_at: null }
      assert.strictEqual((yield* resolve(identity("late", anonymous))).email, null)
      const user = yield* resolve(identity("late", { issued_at: null }))
      assert.strictEqual(user.email, "late@example.com")
    }),
  )

  for (const [taken, wanted] of [
    ["owner@example.com", "OWNER@example.COM"],
    ["straße@example.com", "STRASSE@EXAMPLE.COM"],
    ["ΣΊΣΥΦΟΣ@example.com", "σίσυφος@example.com"],
    ["zoe\u0308@example.com", "ZO\u00CB@example.com"],
    ["preuß@example.com", "PREU\u1E9E@EXAMPLE.COM"],
  ] as const) {
    it.effect(`refuses a new user with the e-mail of another: ${wanted}`, () =>
      Effect.gen(function* () {
        yield* atStart
        const owner = yield* resolve(identity(`owner of ${taken}`, { email: taken }))
        const stranger = identity(`thief of ${taken}`, { email: wanted })
        const error = yield* Effect.flip(resolve(stranger))
        assert.strictEqual(error._tag, "ConflictError")
        assert.strictEqual("reason" in error && error.reason, "email_taken")

        const users = yield* Users
        assert.strictEqual((yield* Effect.flip(users.get(stranger.sub)))._tag, "NotFoundError")
        assert.deepStrictEqual(yield* users.getByEmail(wanted), owner)
      }),
    )
  }

  it.effect("keeps the old e-mail if the new one is taken, and tries once per token", () =>
    Effect.gen(function* () {
      yield* atStart
      yield* resolve(identity("holder"))
      yield* resolve(identity("wisher"))
      const wish = (issued_at: number) =>
        resolve(identity("wisher", { email: "Holder@example.com", issued_at }))
      assert.strictEqual((yield* wish(start)).email, "wisher@example.com")

      const refusals = countOf("db_errors_total", { error_type: "UniqueViolation" })
      const tried = yield* refusals
      for (let request = 0; request < 5; request += 1) {
        yield* wish(start)
        yield* TestClock.adjust("2 seconds")
      }
      assert.isAbove(tried, 0)
      assert.strictEqual(yield* refusals, tried)

      // The address is free again: the next token gets it.
      yield* resolve(identity("holder", { email: "other@example.com", issued_at: start + 1 }))
      assert.strictEqual((yield* wish(start + 2)).email, "Holder@example.com")
    }),
  )

  it.effect("keeps a legacy e-mail that is no plain address until a token brings one", () =>
    Effect.gen(function* () {
      yield* atStart
      const users = yield* Users
      const sql = yield* SqlClient.SqlClient
      const email = "Ada <old@example.com>"
      const { id } = yield* resolve(identity("veteran", { email: null }))
      yield* sql`
        UPDATE users SET email = ${email}, email_key = ${email.toLowerCase()} WHERE id = ${id}
      `
      yield* TestClock.adjust("2 seconds")
      const token = { email: null, issued_at: start + 1 }
      assert.strictEqual((yield* resolve(identity("veteran", token))).email, email)
      assert.strictEqual((yield* users.getByEmail(email.toUpperCase())).id, id)
      const plain = identity("veteran", { email: "old@example.com", issued_at: start + 2 })
      assert.strictEqual((yield* resolve(plain)).email, "old@example.com")
    }),
  )

  it("compares e-mails by keys that ignore case and composition, and that fit an index", () => {
    // Hangul and few other letters follow.
    for (let code = 0x21; code < 0xac00; code += 1) {
      const letter = String.fromCodePoint(code)
      const key = emailKey(letter) ?? ""
      const spellings = [letter.toUpperCase(), letter.toLowerCase(), letter.normalize("NFD"), key]
      if (spellings.every((spelling) => spelling === letter)) continue
      if (!isEmailAddress(`a${letter}@example.com`)) continue
      const keys = [key, ...spellings.map(emailKey)]
      if (new Set(keys).size > 1) assert.fail(`${code}: ${keys.join()}`)
      assert.isAtMost(Buffer.byteLength(key), 6, letter)
    }
  })

  it.effect("takes the role from the database once the user exists", () =>
    Effect.gen(function* () {
      yield* atStart
      yield* resolve(identity("climber"))
      const climbing = identity("climber", { role: "admin", issued_at: start + 1 })
      assert.strictEqual((yield* resolve(climbing)).role, "user")
    }),
  )

  it.effect(
    "refuses a deactivated user: immediately here, within 2 s elsewhere, with any token",
    () =>
      Effect.gen(function* () {
        yield* atStart
        const other = yield* Business.anotherProcess
        const users = yield* Users
        const here = resolve(identity("leaver"))
        const there = Effect.provide(here, other)
        yield* here
        yield* there
        yield* users.deactivate("operator", UserId.make("leaver"))
        assert.strictEqual((yield* Effect.flip(here))._tag, "AuthorizationError")
        // A system clock that steps back does not prolong this.
        yield* TestClock.setTime(0)
        yield* TestClock.adjust("2 seconds")
        const error = yield* Effect.flip(there)
        assert.strictEqual("reason" in error && error.reason, "deactivated")
        const newer = resolve(identity("leaver", { issued_at: start + 2 }))
        assert.strictEqual((yield* Effect.flip(newer))._tag, "AuthorizationError")
        assert.strictEqual((yield* users.get(UserId.make("leaver"))).login_count, 1)

        yield* users.activate("operator", UserId.make("leaver"))
        assert.strictEqual((yield* here).id, "leaver")
      }),
  )

  it.effect("counts a login atomically in the database", () =>
    Effect.gen(function* () {
      yield* atStart
      const repo = yield* UsersRepo
      const { id } = yield* resolve(identity("counted"))
      const count = repo.countLogin(id, { at: yield* now, iat: start + 1 })
      assert.deepStrictEqual(yield* Effect.all([count, count]), [true, false])
      assert.strictEqual((yield* repo.get(id)).login_count, 2)
    }),
  )
})
