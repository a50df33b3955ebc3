import { assert, layer } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { type Caller, newCaller } from "../fixtures/http/Callers.ts"
import type { Answer } from "../fixtures/http/Answer.ts"
import { bodyOf, failureOf, type Request, send } from "../fixtures/http/Http.ts"
import {
  connectionsAgree,
  exclusiveConnections,
  locked,
  onInsert,
  pool,
  rows,
  run,
  server,
  terminateAll,
  Victim,
  waitingFor,
} from "../fixtures/servers/Victim.ts"
import { eventually } from "../fixtures/data/Eventually.ts"

const projects = "/api/v1/app/projects"
const live: Request = { path: "/api/v1/public/health" }
const ready: Request = { path: "/api/v1/public/health/ready" }

const list = ({ token }: Caller): Request => ({ path: projects, token })
const create = ({ token }: Caller): Request => ({ path: projects, token, json: { name: "One" } })

/** One transaction, which locks the admins' rows, updates the user's and inserts an audit row. */
const rename = (admin: Caller, user: Caller, full_name: string): Request => ({
  method: "PATCH",
  path: `/api/v1/admin/users/${user.id}`,
  token: admin.token,
  json: { full_name },
})

interface Timed extends Answer {
  readonly millis: number
}

const timed = (request: Request) =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    const answer = yield* send(request)
    return { ...answer, millis: (yield* Clock.currentTimeMillis) - started } satisfies Timed
  })

const statuses = (answers: ReadonlyArray<Answer>) => new Set(answers.map(({ status }) => status))

/** Starts six clients that read and write continuously until stopped. */
const load = Effect.fnUntraced(function* (caller: Caller) {
  const answers: Array<Timed> = []
  let running = true
  const client = Effect.whileLoop({
    while: () => running,
    body: () =>
      Effect.forEach([create(caller), list(caller)], (request) =>
        Effect.map(timed(request), (answer) => answers.push(answer)),
      ),
    step: () => undefined,
  })
  const clients = yield* Effect.forkChild(
    Effect.forEach(Array.from({ length: 6 }), () => client, { concurrency: "unbounded" }),
  )
  return {
    answers,
    stop: Effect.andThen(
      Effect.sync(() => (running = false)),
      Fiber.join(clients),
    ),
  }
})

/** Repeats the request until it succeeds. */
const untilSuccess = (request: Request) =>
  Effect.repeat(Effect.tap(send(request), Effect.sleep(50)), {
    until: ({ status }) => status < 300,
    times: 200,
  })

/** Asserts that every acknowledged project is stored. */
const assertStored = Effect.fnUntraced(function* (answers: ReadonlyArray<Answer>) {
  const created = answers.filter(({ status }) => status === 201)
  const stored = new Set(
    (yield* rows<{ id: string }>("SELECT id FROM projects")).map(({ id }) => id),
  )
  const lost = created
    .map((answer) => bodyOf<{ id: string }>(answer).id)
    .filter((id) => !stored.has(id))
  assert.deepStrictEqual(lost, [])
  assert.isAbove(created.length, 0)
})

const audited = (user: Caller) =>
  rows<{ description: string }>(
    `SELECT description FROM audit_logs WHERE resource_id = '${user.id}'`,
  )

const nameOf = (user: Caller) =>
  Effect.map(
    rows<{ full_name: string | null }>(`SELECT full_name FROM users WHERE id = '${user.id}'`),
    ([row]) => row?.full_name ?? null,
  )

/** Asserts a 503 of the database with Retry-After. */
const assertBusy = (answer: Answer) => {
  assert.strictEqual(answer.status, 503, answer.text)
  assert.strictEqual(answer.headers["retry-after"], "1")
  assert.strictEqual(failureOf(answer).code, "SERVICE_UNAVAILABLE")
}

const all = <A, E, R>(effects: ReadonlyArray<Effect.Effect<A, E, R>>) =>
  Effect.all(effects, { concurrency: "unbounded" })

layer(server, { excludeTestServices: true, timeout: "60 seconds" })(
  "A server on a failing PostgreSQL",
  (it) => {
    it.effect(
      "answers in time and loses no acknowledged write when PostgreSQL is killed under load",
      () =>
        Effect.gen(function* () {
          const victim = yield* Victim
          const caller = yield* newCaller()
          const { answers, stop } = yield* load(caller)
          yield* Effect.sleep(300)
          yield* victim.kill
          yield* Effect.sleep(300)

          assert.strictEqual((yield* send(live)).status, 200)
          const unready = yield* timed(ready)
          assert.strictEqual(unready.status, 503)
          assert.isBelow(unready.millis, 2000)
          yield* eventually(Effect.map(pool, ({ active, idle }) => active === 0 && idle === 0))

          yield* victim.start
          yield* untilSuccess(ready)
          // The last answers below are of requests sent after it.
          const before = answers.length
          yield* eventually(Effect.sync(() => answers.length >= before + 48))
          yield* stop

          assert.deepStrictEqual(statuses(answers), new Set([200, 201, 503]))
          for (const { status, millis } of answers) if (status === 503) assert.isBelow(millis, 2000)
          assert.deepStrictEqual(statuses(answers.slice(-24)), new Set([200, 201]))
          yield* assertStored(answers)
          yield* connectionsAgree
        }),
    )

    it.effect("answers at most 503 when PostgreSQL ends sessions, and recovers", () =>
      Effect.gen(function* () {
        const caller = yield* newCaller()
        const { answers, stop } = yield* load(caller)
        for (const _ of [1, 2, 3]) {
          yield* Effect.sleep(150)
          yield* run(terminateAll)
        }
        yield* Effect.sleep(150)
        yield* stop
        for (const { status } of answers) assert.include([200, 201, 503], status)
        yield* run(terminateAll)
        yield* Effect.sleep(50)

        const after = yield* all(
          Array.from({ length: 16 }, () => [create(caller), list(caller)])
            .flat()
            .map(send),
        )

        assert.deepStrictEqual(statuses(after), new Set([200, 201]))
        yield* assertStored(answers)
        yield* connectionsAgree
      }),
    )

    it.effect("answers 503 and rolls back when PostgreSQL ends a session in a transaction", () =>
      Effect.gen(function* () {
        const [admin, user] = [yield* newCaller("admin"), yield* newCaller()]
        const lock = yield* locked("LOCK TABLE audit_logs IN ACCESS EXCLUSIVE MODE")
        const renaming = yield* Effect.forkChild(send(rename(admin, user, "Ada")))
        yield* waitingFor("Lock")
        yield* run(terminateAll)
        yield* lock.release

        assert.strictEqual((yield* Fiber.join(renaming)).status, 503)
        assert.strictEqual(yield* nameOf(user), null)
        assert.strictEqual((yield* send(rename(admin, user, "Ada"))).status, 200)
        assert.strictEqual((yield* audited(user)).length, 2)
      }).pipe(Effect.scoped),
    )

    it.effect(
      "answers 503 within its timeouts while PostgreSQL hangs, and recovers when it continues",
      () =>
        Effect.gen(function* () {
          const victim = yield* Victim
          const [caller, admin] = [yield* newCaller(), yield* newCaller("admin")]
          const { answers, stop } = yield* load(caller)
          yield* Effect.sleep(200)
          yield* stop
          yield* connectionsAgree
          yield* Effect.acquireRelease(victim.freeze, () => victim.thaw)

          const first = yield* Effect.forkChild(
            all(
              [create(caller), list(caller), list(caller), rename(admin, caller, "Ada")].map(timed),
            ),
          )
          const probe = Effect.gen(function* () {
            assert.isBelow((yield* timed(live)).millis, 500)
            const { status, millis } = yield* timed(ready)
            assert.strictEqual(status, 503)
            assert.isBelow(millis, 2000)
          })
          yield* probe
          for (const { status, millis } of yield* Fiber.join(first)) {
            assert.strictEqual(status, 503)
            assert.isBelow(millis, 8000)
          }
          // The hanging connections are closed by now, and failing to open a new one takes less time.
          for (const { status, millis } of yield* all(
            [create, list, create, list, list, list].map((request) => timed(request(caller))),
          )) {
            assert.strictEqual(status, 503)
            assert.isBelow(millis, 4000)
          }
          yield* probe

          yield* victim.thaw
          yield* untilSuccess(ready)
          const after = yield* all(
            [create, list, create, list].map((request) => send(request(caller))),
          )
          assert.deepStrictEqual(statuses(after), new Set([200, 201]))
          yield* assertStored([...answers, ...after])
          // PostgreSQL now runs the statements it received while it hung, but commits no partial transaction.
          assert.strictEqual(yield* nameOf(caller), null)
          yield* connectionsAgree
        }).pipe(Effect.scoped),
    )

    it.effect("waits for a row lock for a bounded time, without blocking reads", () =>
      Effect.gen(function* () {
        const caller = yield* newCaller()
        const { id } = bodyOf<{ id: string }>(yield* send(create(caller)))
        const change: Request = { ...create(caller), method: "PATCH", path: `${projects}/${id}` }
        const lock = yield* locked(`SELECT * FROM projects WHERE id = '${id}' FOR UPDATE`)

        const changing = yield* Effect.forkChild(timed(change))
        yield* waitingFor("Lock")
        for (const { status, millis } of yield* all(
          Array.from({ length: 4 }, () => timed(list(caller))),
        )) {
          assert.strictEqual(status, 200)
          assert.isBelow(millis, 1000)
        }
        const answer = yield* Fiber.join(changing)
        assertBusy(answer)
        assert.isBelow(answer.millis, 4000)
        yield* lock.release
        assert.strictEqual((yield* send(change)).status, 200)
      }).pipe(Effect.scoped),
    )

    it.effect(
      "waits a bounded time when another session locks a table, with reads sharing connections",
      () =>
        Effect.gen(function* () {
          const caller = yield* newCaller()
          yield* send(list(caller))
          const lock = yield* locked("LOCK TABLE projects IN ACCESS EXCLUSIVE MODE")

          const answers = yield* all(Array.from({ length: 8 }, () => timed(list(caller))))

          for (const { status, millis } of answers) {
            assert.strictEqual(status, 503)
            assert.isBelow(millis, 8000)
          }
          yield* lock.release
          assert.strictEqual((yield* send(list(caller))).status, 200)
          yield* connectionsAgree
        }).pipe(Effect.scoped),
    )

    it.effect(
      "answers 503 with Retry-After when no connection is left for a transaction, and still reads",
      () =>
        Effect.gen(function* () {
          const [admin, user] = [yield* newCaller("admin"), yield* newCaller()]
          // Signs the callers in before: a login is a write.
          yield* send(list(user))
          yield* send(rename(admin, user, "Ada"))
          yield* connectionsAgree
          const lock = yield* locked("SELECT * FROM users WHERE role <> 'user' FOR UPDATE")
          const holders = yield* Effect.forkChild(
            all(
              Array.from({ length: exclusiveConnections }, () => send(rename(admin, user, "Eve"))),
            ),
          )
          yield* eventually(Effect.map(pool, ({ active }) => active === exclusiveConnections))
          yield* connectionsAgree

          const refused = yield* Effect.forkChild(timed(rename(admin, user, "Eve")))
          assert.strictEqual((yield* send(list(user))).status, 200)
          const answer = yield* Fiber.join(refused)
          assertBusy(answer)
          assert.isBelow(answer.millis, 3000)

          yield* lock.release
          for (const { status } of yield* Fiber.join(holders)) assert.include([200, 503], status)
          assert.strictEqual((yield* send(rename(admin, user, "Bob"))).status, 200)
          yield* connectionsAgree
        }).pipe(Effect.scoped),
    )

    for (const [name, code] of [
      ["serialization", "40001"],
      ["deadlock", "40P01"],
    ] as const) {
      it.effect(`retries a transaction three times after ${name}, with one effect`, () =>
        Effect.gen(function* () {
          const [admin, user] = [yield* newCaller("admin"), yield* newCaller()]
          const raise = `RAISE EXCEPTION 'again' USING ERRCODE = '${code}'`
          const tries = Effect.map(
            rows<{ n: number }>("SELECT last_value::int AS n FROM tries"),
            ([row]) => row?.n,
          )

          const before = (yield* audited(user)).length
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* onInsert(
                "immediately",
                "audit_logs",
                `IF nextval('tries') <= 3 THEN ${raise}; END IF`,
              )
              assert.strictEqual((yield* send(rename(admin, user, "Ada"))).status, 200)
              assert.strictEqual(yield* tries, 4)
            }),
          )
          assert.strictEqual((yield* audited(user)).length, before + 1)

          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* onInsert("immediately", "audit_logs", `PERFORM nextval('tries'); ${raise}`)
              assertBusy(yield* send(rename(admin, user, "Eve")))
              assert.strictEqual(yield* tries, 4)
            }),
          )
          assert.strictEqual((yield* audited(user)).length, before + 1)
          assert.strictEqual(yield* nameOf(user), "Ada")
        }),
      )
    }

    it.effect("never answers 2xx when PostgreSQL refuses a COMMIT, and stores nothing", () =>
      Effect.gen(function* () {
        const [admin, user] = [yield* newCaller("admin"), yield* newCaller()]
        for (const [code, status] of [
          ["23514", 500],
          ["53100", 503],
        ] as const) {
          const raise = `RAISE EXCEPTION 'no' USING ERRCODE = '${code}'`
          const refused = (table: string, request: Request) =>
            Effect.scoped(Effect.andThen(onInsert("at COMMIT", table, raise), send(request)))
          assert.strictEqual(
            (yield* refused("audit_logs", rename(admin, user, "Ada"))).status,
            status,
          )
          assert.strictEqual((yield* refused("projects", create(user))).status, status)
        }
        assert.strictEqual(yield* nameOf(user), null)
        assert.strictEqual(
          (yield* send(list(user))).text,
          '{"items":[],"total":0,"skip":0,"limit":20}',
        )
      }),
    )

    it.effect("answers 503 when the result of a COMMIT is lost, whether or not it committed", () =>
      Effect.gen(function* () {
        const [admin, user] = [yield* newCaller("admin"), yield* newCaller()]
        const lostWhile = (event: string) =>
          Effect.gen(function* () {
            const asked = yield* Effect.forkChild(send(rename(admin, user, "Ada")))
            yield* waitingFor(event)
            yield* run(terminateAll)
            return (yield* Fiber.join(asked)).status
          })

        const undone = onInsert("at COMMIT", "audit_logs", "PERFORM pg_sleep(3)").pipe(
          Effect.andThen(lostWhile("Timeout")),
          Effect.scoped,
        )
        assert.strictEqual(yield* undone, 503)
        assert.strictEqual(yield* nameOf(user), null)

        // Committed here, but never acknowledged by a standby, because none exists.
        const reload = "SELECT pg_reload_conf()"
        const done = Effect.acquireRelease(
          run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", reload),
          () => Effect.orDie(run("ALTER SYSTEM RESET synchronous_standby_names", reload)),
        ).pipe(Effect.andThen(lostWhile("IPC")), Effect.scoped)
        assert.strictEqual(yield* done, 503)
        assert.strictEqual(yield* nameOf(user), "Ada")
      }),
    )
  },
)
