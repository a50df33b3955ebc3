import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Users } from "../../src/business/users/Users.ts"
import { JobQueue } from "../../src/core/jobs/Queue.ts"
import { identity } from "../fixtures/data/Business.ts"
import { appWithMail, MailServer } from "../fixtures/servers/MailServer.ts"
import { newUser } from "../TestApp.ts"

/** Advances the test clock, slowly enough for a provider in real time. PostgreSQL has a clock of its own. */
const seconds = (count: number) =>
  TestClock.withLive(Effect.sleep("4 millis")).pipe(
    Effect.andThen(TestClock.adjust("2 seconds")),
    Effect.repeat({ times: count / 2 - 1 }),
  )

layer(appWithMail, { timeout: "60 seconds" })("A mail provider down for ten minutes", (it) => {
  for (const behaviour of ["cut", { status: 503 }] as const) {
    const how = typeof behaviour === "string" ? "cuts connections" : "answers 503"
    it.effect(`a provider that ${how} gets each e-mail exactly once when it recovers`, () =>
      Effect.gen(function* () {
        const { mails, state } = yield* MailServer
        const users = yield* Users
        const { list } = yield* JobQueue
        state.behaviour = behaviour
        const [before, after] = [state.requests.length, mails.length]
        const ids = [newUser(), newUser(), newUser()]
        for (const id of ids)
          yield* Effect.clockWith((clock) => users.resolve(identity(id, { issued_at: 1 }), clock))
        yield* seconds(600)
        for (const user of ids) {
          const [job] = yield* list({ user, limit: 1 })
          assert.include(["delayed", "waiting", "active"], job?.state)
          assert.match(job?.error ?? "", /^EmailUnavailableError: /)
        }
        // The breaker and the backoff limit the requests.
        assert.isBelow(state.requests.length - before, 60)
        assert.strictEqual(mails.length, after)

        state.behaviour = "documented"
        yield* seconds(700)
        for (const user of ids) {
          const [job] = yield* list({ user, limit: 1 })
          assert.strictEqual(job?.state, "completed")
          assert.strictEqual(mails.filter(({ to }) => to.includes(`${user}@example.com`)).length, 1)
        }
        assert.strictEqual(mails.length - after, ids.length)
      }),
    )
  }
})
