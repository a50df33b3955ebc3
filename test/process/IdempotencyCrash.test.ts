import { connect } from "node:net"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { bodyOf, type Request } from "../fixtures/http/Http.ts"
import { processTimeoutMs } from "../fixtures/processes/Plinth.ts"
import { sendTo } from "../fixtures/processes/Remote.ts"
import { serving, tokens } from "../fixtures/processes/Serving.ts"
import { sleep } from "../fixtures/data/Sleep.ts"
import { newUser, tokenFor } from "../TestApp.ts"
import { dialect, runSql, TestDatabase } from "../TestDatabase.ts"

/** Starts a server on the database of the test. */
const serve = Effect.flatMap(TestDatabase, (DATABASE_URL) => serving({ DATABASE_URL }))

const path = "/api/v1/app/projects"
const body = '{"name":"Once"}'

/** Sends the request on a raw socket, and waits until an answer arrives, without reading it. */
const post = (port: number, token: string) =>
  Effect.callback<void>((resume) => {
    const socket = connect({ port, host: "127.0.0.1" })
    socket.once("readable", () => resume(Effect.void))
    socket.once("error", () => resume(Effect.void))
    socket.write(
      [
        `POST ${path} HTTP/1.1`,
        "Host: localhost",
        `Authorization: Bearer ${token}`,
        "Idempotency-Key: crash",
        "Content-Type: application/json",
        `Content-Length: ${body.length}`,
        "",
        body,
      ].join("\r\n"),
    )
    return Effect.sync(() => socket.destroy())
  })

const again = (token: string): Request => ({
  path,
  token,
  body,
  headers: { "Idempotency-Key": "crash" },
})

const total = (port: number, token: string) =>
  Effect.map(
    sendTo(port, { path, token }),
    (answer) => bodyOf<{ readonly total: number }>(answer).total,
  )

layer(Layer.mergeAll(tokens, TestDatabase.layer), { excludeTestServices: true })(
  "A process that is killed",
  (it) => {
    it.effect(
      "a process killed between the commit and the answer leaves the answer to the next process",
      () =>
        Effect.gen(function* () {
          const token = yield* tokenFor(newUser())
          const first = yield* serve
          yield* post(first.port, token)
          yield* first.kill

          const { port } = yield* serve
          const answer = yield* sendTo(port, again(token))
          assert.strictEqual(answer.status, 201)
          assert.strictEqual(answer.headers["idempotency-replayed"], "true")
          assert.strictEqual(yield* total(port, token), 1)
        }),
      processTimeoutMs,
    )

    // SQLite has no lock with which a test could stop a process between two statements.
    it.effect.skipIf(dialect() === "sqlite")(
      "a process killed before the commit has no effect and leaves the key free",
      () =>
        Effect.gen(function* () {
          const token = yield* tokenFor(newUser())
          const first = yield* serve
          // Signs the user up first, so that the lock blocks only the project.
          assert.strictEqual(yield* total(first.port, token), 0)
          const locked = yield* Effect.forkChild(
            runSql(
              yield* TestDatabase,
              "DO $$ BEGIN LOCK TABLE projects IN SHARE MODE; PERFORM pg_sleep(1); END $$",
            ),
          )
          yield* sleep(200)
          yield* Effect.forkChild(post(first.port, token))
          yield* sleep(200)
          yield* first.kill
          yield* Fiber.join(locked)

          const { port } = yield* serve
          const answer = yield* sendTo(port, again(token))
          assert.strictEqual(answer.status, 201)
          assert.isUndefined(answer.headers["idempotency-replayed"])
          assert.strictEqual(yield* total(port, token), 1)
        }),
      processTimeoutMs,
    )
  },
)
