import { once } from "node:events"
import { get } from "node:http"
import { connect } from "node:net"
import { assert, describe, layer } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Ref } from "effect"
import * as Server from "../../src/http/Server.ts"
import type { Environment } from "../../src/core/settings/Settings.ts"
import { freePort } from "../fixtures/servers/FreePort.ts"
import type { Answer } from "../fixtures/http/Answer.ts"
import { bodyOf, Http, type Request } from "../fixtures/http/Http.ts"
import { bundled } from "../fixtures/processes/Bundled.ts"
import { processTimeoutMs, startProgram } from "../fixtures/processes/Plinth.ts"
import { sendTo } from "../fixtures/processes/Remote.ts"
import { serving, tokens } from "../fixtures/processes/Serving.ts"
import { startHaproxy } from "../fixtures/servers/HaproxyServer.ts"
import { hasProgram, program } from "../fixtures/servers/Programs.ts"
import { sleep } from "../fixtures/data/Sleep.ts"
import { RedisServer } from "../fixtures/servers/RedisServer.ts"
import { newUser, tokenFor } from "../TestApp.ts"
import { runSql, TestDatabase } from "../TestDatabase.ts"

const path = "/api/v1/app/projects"

const environment = Effect.gen(function* () {
  return {
    ENVIRONMENT: "staging",
    DATABASE_URL: yield* TestDatabase,
    REDIS_URL: (yield* RedisServer).url,
    RATE_LIMIT_DEFAULT: "1000000/second",
    PLAN_LIMITS: '{"free":{"projects":null,"api_requests":null}}',
    TRUSTED_PROXIES: "1",
  }
})

/** Slows creates down, so that one is always in progress. */
const slowCreates = (url: string) =>
  Effect.andThen(
    runSql(
      url,
      "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.15); RETURN NEW; END $$",
    ),
    runSql(
      url,
      "CREATE TRIGGER slow BEFORE INSERT ON projects FOR EACH ROW EXECUTE FUNCTION slow()",
    ),
  )

const services = Layer.mergeAll(tokens, TestDatabase.layer, RedisServer.layer)

/** The lock outlasts the one second in which a server with this grace still listens. */
const grace = { SHUTDOWN_GRACE_SECONDS: "1" }
const lock = Effect.flatMap(TestDatabase, (url) =>
  runSql(url, "DO $$ BEGIN LOCK TABLE projects IN SHARE MODE; PERFORM pg_sleep(1.6); END $$"),
)

describe.skipIf(!hasProgram("redis"))("SIGTERM", () => {
  layer(services, { excludeTestServices: true })((it) => {
    it.effect.skipIf(!hasProgram("haproxy"))(
      "to two servers in turn fails no request at 50 requests per second, and loses no write",
      () =>
        Effect.gen(function* () {
          const env = yield* environment
          const token = yield* tokenFor(newUser())
          const ports = [yield* freePort, yield* freePort] as const
          const first = yield* serving(env, { at: Effect.succeed(ports[0]) })
          const second = yield* serving(env, { at: Effect.succeed(ports[1]) })
          const balancer = yield* startHaproxy(program("haproxy") ?? "", ports)
          yield* balancer.untilAllAreReady
          yield* slowCreates(env.DATABASE_URL)

          const done = yield* Ref.make(false)
          const load = yield* Effect.forkChild(requests(balancer.port, token, Ref.get(done)))
          yield* sleep(500)
          const codes: Array<number | null> = []
          for (const server of [first, second]) {
            codes.push((yield* server.stop).code)
            yield* serving(env, { at: Effect.succeed(server.port) })
            // Waits for the load balancer, as a deployment does.
            yield* balancer.untilAllAreReady
          }
          yield* Ref.set(done, true)
          const exits = yield* Fiber.join(load)

          assert.deepStrictEqual(codes, [0, 0])
          const answers = exits.map((exit) =>
            Exit.isSuccess(exit) ? exit.value.status : Cause.pretty(exit.cause),
          )
          assert.deepStrictEqual(
            answers.filter((answer) => answer !== 200 && answer !== 201),
            [],
          )
          const created = exits.flatMap((exit) =>
            Exit.isSuccess(exit) && exit.value.status === 201 ? [exit.value] : [],
          )
          const rows = yield* runSql(env.DATABASE_URL, "SELECT id FROM projects")
          const stored = new Set(rows.map((row) => (row as { readonly id: string }).id))
          const lost = created.filter((answer) => !stored.has(bodyOf<{ id: string }>(answer).id))
          assert.deepStrictEqual(lost, [])
          assert.isAbove(exits.length, 100)
          assert.isAbove(created.length, 30)
        }),
      processTimeoutMs,
    )

    it.effect(
      "lets a transaction in progress finish",
      () =>
        Effect.gen(function* () {
          const token = yield* tokenFor(newUser())
          const server = yield* serving({ ...(yield* environment), ...grace })
          yield* sendTo(server.port, { path, token })
          const locked = yield* Effect.forkChild(lock)
          yield* sleep(200)
          const posted = yield* Effect.forkChild(
            sendTo(server.port, { path, token, json: { name: "Late" } }),
          )
          yield* sleep(100)
          const { code } = yield* server.stop
          const answer = yield* Fiber.join(posted)
          yield* Fiber.join(locked)
          assert.deepStrictEqual([answer.status, answer.headers["connection"]], [201, "close"])
          assert.strictEqual(code, 0)
        }),
      processTimeoutMs,
    )

    it.effect(
      "does not wait for idle connections",
      () =>
        Effect.gen(function* () {
          // Longer than the timeout of the test.
          const env = { ...(yield* environment), SHUTDOWN_GRACE_SECONDS: "3000" }
          const server = yield* serving(env)
          const socket = connect({ port: server.port, host: "127.0.0.1" })
          yield* Effect.promise(() => once(socket, "connect"))
          assert.strictEqual((yield* server.stop).code, 0)
        }),
      processTimeoutMs,
    )

    it.effect(
      "lets a started answer finish",
      () =>
        Effect.gen(function* () {
          const server = yield* serving(yield* environment, { by: streaming })
          const read = yield* Effect.forkChild(streamOf(server.port))
          yield* sleep(500)
          const { code } = yield* server.stop
          assert.strictEqual(yield* Fiber.join(read), "tick\n".repeat(40))
          assert.strictEqual(code, 0)
        }),
      processTimeoutMs,
    )

    it.effect(
      "cuts an answer that takes longer than the grace period",
      () =>
        Effect.gen(function* () {
          const env = { ...(yield* environment), ...grace }
          const server = yield* serving(env, { by: streaming })
          const read = yield* Effect.forkChild(streamOf(server.port))
          yield* sleep(500)
          const { code } = yield* server.stop
          assert.strictEqual(yield* Fiber.join(read), "cut")
          assert.strictEqual(code, 0)
        }),
      processTimeoutMs,
    )
  })
})

const streamingServer = await bundled("test/fixtures/servers/StreamingServer.ts")
const streaming = (env: Environment) => startProgram(streamingServer, env)

/** Returns the whole stream, or "cut". */
const streamOf = (port: number) =>
  Effect.callback<string>((resume) => {
    let text = ""
    const sent = get({ port, host: "127.0.0.1", path: "/stream" }, (response) => {
      response.on("data", (chunk: Buffer) => (text += chunk.toString()))
      response.on("end", () => resume(Effect.succeed(text)))
      response.on("error", () => resume(Effect.succeed("cut")))
    })
    sent.on("error", () => resume(Effect.succeed("cut")))
  })

/** Sends 50 requests per second, concurrently: lists and creates, on keep-alive and on new connections. */
const requests = (port: number, token: string, isDone: Effect.Effect<boolean>) =>
  Effect.gen(function* () {
    const keepAlive = yield* Http
    const sent: Array<Fiber.Fiber<Exit.Exit<Answer>>> = []
    while (!(yield* isDone)) {
      const n = sent.length
      const request: Request = { path, token, ...(n % 3 === 0 && { json: { name: `n${n}` } }) }
      const answer = n % 5 === 0 ? sendTo(port, request) : keepAlive.send(request)
      sent.push(yield* Effect.forkChild(Effect.exit(answer), { startImmediately: true }))
      yield* sleep(20)
    }
    return yield* Effect.forEach(sent, (fiber) => Fiber.join(fiber))
  }).pipe(Effect.provide(Http.layer.pipe(Layer.provide(Layer.succeed(Server.Address, { port })))))
