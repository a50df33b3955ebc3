import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { Cleanup } from "../../src/business/privacy/Cleanup.ts"
import { ago } from "../../src/domain/Fields.ts"
import type { Project } from "../../src/domain/Project.ts"
import { newCaller, server } from "../fixtures/http/Callers.ts"
import { bodyOf, failureOf, Http, type Request, send } from "../fixtures/http/Http.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { TwoServers } from "../fixtures/processes/TwoServers.ts"
import { dialect, runSql } from "../TestDatabase.ts"

const path = "/api/v1/app/projects"

const create = (token: string, key: string, json: unknown = { name: "Once" }): Request => ({
  path,
  token,
  json,
  headers: { "Idempotency-Key": key },
})

const projectsOf = (token: string) =>
  Effect.map(
    send({ path: `${path}?limit=100`, token }),
    (answer) => bodyOf<{ readonly items: ReadonlyArray<Project> }>(answer).items,
  )

layer(server(), { excludeTestServices: true })("A POST with an Idempotency-Key", (it) => {
  it.effect("has one effect and the same answer when repeated", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const first = yield* send(create(token, "k"))
      assert.strictEqual(first.status, 201)
      assert.isUndefined(first.headers["idempotency-replayed"])
      for (const _ of [1, 2]) {
        const again = yield* send(create(token, "k"))
        assert.deepStrictEqual([again.status, again.text], [201, first.text])
        assert.strictEqual(again.headers["idempotency-replayed"], "true")
        assert.strictEqual(again.headers["content-type"], first.headers["content-type"])
        assert.notStrictEqual(again.headers["x-request-id"], first.headers["x-request-id"])
      }
      assert.lengthOf(yield* projectsOf(token), 1)
    }),
  )

  it.effect("is refused without effect when the key was used for another request", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const body = '{"name":"Once"}'
      const first = { ...create(token, "k"), json: undefined, body }
      assert.strictEqual((yield* send(first)).status, 201)
      for (const other of [
        { ...first, body: '{"name":"Twice"}' },
        { ...first, body: '{"name": "Once"}' },
        { ...first, path: `${path}?a=1` },
      ]) {
        const answer = yield* send(other)
        assert.strictEqual(answer.status, 422)
        assert.strictEqual(failureOf(answer).details["field"], "Idempotency-Key")
      }
      assert.lengthOf(yield* projectsOf(token), 1)
    }),
  )

  it.effect("does not share its key with other users", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* newCaller(), yield* newCaller()]
      const first = bodyOf<Project>(yield* send(create(one.token, "k")))
      const second = yield* send(create(other.token, "k"))
      assert.strictEqual(second.status, 201)
      assert.isUndefined(second.headers["idempotency-replayed"])
      assert.notStrictEqual(bodyOf<Project>(second).id, first.id)
    }),
  )

  it.effect("leaves the key free when it fails", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      assert.strictEqual((yield* send(create(token, "k", { name: " " }))).status, 422)
      assert.strictEqual((yield* send(create(token, "k", { name: "a".repeat(300) }))).status, 422)
      const good = yield* send(create(token, "k"))
      assert.strictEqual(good.status, 201)
      assert.isUndefined(good.headers["idempotency-replayed"])
    }),
  )

  it.effect("is refused unless the key is 1 to 255 printable ASCII characters", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      for (const key of ["", "k".repeat(256), "sch\u00f6n", "a\tb"]) {
        const answer = yield* send(create(token, key))
        assert.strictEqual(answer.status, 422)
        assert.strictEqual(failureOf(answer).details["field"], "Idempotency-Key")
        assert.notInclude(answer.text, "sch")
      }
      assert.lengthOf(yield* projectsOf(token), 0)
      for (const key of ["k".repeat(255), "a b,c;'\"\\%_~"]) {
        assert.strictEqual((yield* send(create(token, key))).status, 201)
        const again = yield* send(create(token, key))
        assert.strictEqual(again.headers["idempotency-replayed"], "true")
      }
    }),
  )

  it.effect("creates one row for 50 concurrent requests, without blocking other requests", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const [answers, others] = yield* Effect.all(
        [
          Effect.replicateEffect(send(create(token, "many")), 50, { concurrency: 50 }),
          Effect.replicateEffect(send({ path, token }), 50, { concurrency: 50 }),
        ],
        { concurrency: "unbounded" },
      )
      const created = answers.filter(({ status }) => status === 201)
      assert.isNotEmpty(created)
      assert.strictEqual(new Set(created.map(({ text }) => text)).size, 1)
      for (const answer of answers) {
        if (answer.status === 201) continue
        assert.strictEqual(answer.status, 409)
        assert.strictEqual(answer.headers["retry-after"], "1")
        assert.strictEqual(failureOf(answer).details["reason"], "in_progress")
      }
      assert.isTrue(others.every(({ status }) => status === 200))
      assert.lengthOf(yield* projectsOf(token), 1)
    }),
  )

  it.effect("frees its key after 24 hours, and not before", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { removeIdempotencyKeys } = yield* Cleanup
      const { id, token } = yield* newCaller()
      const age = (hours: number) => {
        return Effect.flatMap(
          ago(`${hours} hours`),
          (then) => sql`UPDATE idempotency_keys SET created_at = ${then} WHERE user_id = ${id}`,
        )
      }
      const storedKeys = () => sql`SELECT key FROM idempotency_keys WHERE user_id = ${id}`
      yield* send(create(token, "k"))
      yield* age(23.9)
      yield* removeIdempotencyKeys
      assert.strictEqual((yield* send(create(token, "k"))).headers["idempotency-replayed"], "true")

      yield* age(24.1)
      const second = yield* send(create(token, "k", { name: "Second" }))
      assert.strictEqual(second.status, 201)
      assert.isUndefined(second.headers["idempotency-replayed"])
      assert.lengthOf(yield* projectsOf(token), 2)

      yield* age(24.1)
      yield* removeIdempotencyKeys
      assert.lengthOf(yield* storedKeys(), 0)
    }),
  )

  it.effect("ignores the key on requests that create nothing", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const headers = { "Idempotency-Key": "k" }
      const { id } = bodyOf<Project>(yield* send(create(token, "other")))
      for (const name of ["a", "b"]) {
        const changed = yield* send({
          method: "PATCH",
          path: `${path}/${id}`,
          token,
          headers,
          json: { name },
        })
        assert.strictEqual(bodyOf<Project>(changed).name, name)
        assert.strictEqual((yield* send({ path, token, headers })).status, 200)
      }
    }),
  )
})

// Skipped on SQLite: both servers share this thread, so the second request would wait for the first.
describe.skipIf(dialect() === "sqlite")("Two processes", () => {
  layer(TwoServers.layer(), { excludeTestServices: true })(
    "A POST with an Idempotency-Key",
    (it) => {
      it.effect(
        "is refused while the first request runs, then replayed; other requests do not wait",
        () =>
          Effect.gen(function* () {
            const { a, b, database, newCaller } = yield* TwoServers
            const [here, there] = [Context.get(a, Http), Context.get(b, Http)]
            const { token } = yield* newCaller("user")
            for (const server of [here, there]) yield* server.send({ path, token })
            const locked = yield* Effect.forkChild(
              Effect.ignore(
                runSql(
                  database,
                  "DO $$ BEGIN LOCK TABLE projects IN SHARE MODE; PERFORM pg_sleep(9); END $$",
                ),
              ),
            )
            const sessions = `FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid()`
            const waiting = (event: string) =>
              eventually(
                Effect.map(
                  runSql(database, `SELECT 1 ${sessions} AND wait_event_type = '${event}'`),
                  ({ length }) => length > 0,
                ),
              )
            yield* waiting("Timeout")
            const first = yield* Effect.forkChild(here.send(create(token, "two")))
            yield* waiting("Lock")
            const meanwhile = yield* Effect.replicateEffect(there.send(create(token, "two")), 30, {
              concurrency: 30,
            })
            for (const { headers, status } of meanwhile) {
              assert.deepStrictEqual([status, headers["retry-after"]], [409, "1"])
            }
            assert.strictEqual((yield* there.send({ path, token })).status, 200)
            yield* runSql(
              database,
              `SELECT pg_cancel_backend(pid) ${sessions} AND wait_event_type = 'Timeout'`,
            )
            yield* Fiber.join(locked)
            const answer = yield* Fiber.join(first)
            assert.strictEqual(answer.status, 201)
            const again = yield* there.send(create(token, "two"))
            assert.deepStrictEqual([again.status, again.text], [201, answer.text])
            assert.strictEqual(again.headers["idempotency-replayed"], "true")
          }),
      )

      it.effect("fails and leaves the key free when the commit fails", () =>
        Effect.gen(function* () {
          const { a, database, newCaller } = yield* TwoServers
          const { send } = Context.get(a, Http)
          const { token } = yield* newCaller("user")
          yield* runSql(
            database,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$",
          )
          yield* runSql(
            database,
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON idempotency_keys DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
          )
          assert.isAtLeast((yield* send(create(token, "no"))).status, 500)
          yield* runSql(database, "DROP TRIGGER refuse ON idempotency_keys")
          const retried = yield* send(create(token, "no"))
          assert.strictEqual(retried.status, 201)
          assert.isUndefined(retried.headers["idempotency-replayed"])
        }),
      )
    },
  )
})
