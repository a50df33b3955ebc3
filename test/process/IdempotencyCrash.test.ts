import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { connect } from "node:net"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { Metrics } from "../../src/core/Metrics.ts"
import { Settings } from "../../src/core/Settings.ts"
import { Tokens } from "../../src/core/Tokens.ts"
import { bodyOf, type Request } from "../fixtures/Http.ts"
import { canary, patience, start } from "../fixtures/Plinth.ts"
import { freePort } from "../FreePort.ts"
import { sendTo } from "../fixtures/Remote.ts"
import { sleep } from "../RedisServer.ts"
import { newUser, tokenFor } from "../TestApp.ts"
import { dialect, runSql, TestDatabase } from "../TestDatabase.ts"

const tokens = Tokens.layer.pipe(
  Layer.provide([Metrics.layer, FetchHttpClient.layer]),
  Layer.provide(Settings.layerFrom({ SECRET_KEY: canary })),
)

/** A real process that answers, on the database of the test. */
const serving = Effect.gen(function* () {
  const [port, DATABASE_URL] = [yield* freePort, yield* TestDatabase]
  const child = yield* start(
    { PORT: String(port), HOST: "127.0.0.1", LOG_LEVEL: "ERROR", DATABASE_URL },
    "serve",
  )
  yield* Effect.addFinalizer(() => kill(child))
  yield* untilTaken(port)
  return { port, child }
})

const untilTaken = (port: number): Effect.Effect<void> =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ port, host: "127.0.0.1" })
    socket.once("connect", () => resume(Effect.succeed(true)))
    socket.once("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.flatMap((isTaken) =>
      isTaken
        ? Effect.void
        : Effect.andThen(
            sleep(20),
            Effect.suspend(() => untilTaken(port)),
          ),
    ),
  )

const kill = (child: ChildProcess) =>
  Effect.suspend(() =>
    child.exitCode === null && child.kill("SIGKILL")
      ? Effect.promise(() => once(child, "exit"))
      : Effect.void,
  )

const path = "/api/v1/app/projects"
const body = '{"name":"Once"}'

/** The bytes of the request on a socket whose answer nobody reads. Ends when the answer has come. */
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
      "after the commit, before its client has the answer: the answer is given by the next one",
      () =>
        Effect.gen(function* () {
          const token = yield* tokenFor(newUser())
          const first = yield* serving
          yield* post(first.port, token)
          yield* kill(first.child)

          const { port } = yield* serving
          const answer = yield* sendTo(port, again(token))
          assert.strictEqual(answer.status, 201)
          assert.strictEqual(answer.headers["idempotency-replayed"], "true")
          assert.strictEqual(yield* total(port, token), 1)
        }),
      patience,
    )

    // On SQLite nothing can be held up between two statements from outside.
    it.effect.skipIf(dialect() === "sqlite")(
      "before the commit: nothing has happened, and the key is free",
      () =>
        Effect.gen(function* () {
          const token = yield* tokenFor(newUser())
          const first = yield* serving
          // Signs him up, so that what waits is the project.
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
          yield* kill(first.child)
          yield* Fiber.join(locked)

          const { port } = yield* serving
          const answer = yield* sendTo(port, again(token))
          assert.strictEqual(answer.status, 201)
          assert.isUndefined(answer.headers["idempotency-replayed"])
          assert.strictEqual(yield* total(port, token), 1)
        }),
      patience,
    )
  },
)
