import { Agent, request as open } from "node:http"
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { haproxy, hasHaproxy } from "../fixtures/Haproxy.ts"
import { patience } from "../fixtures/Plinth.ts"
import {
  type Answer,
  answered,
  answerTo,
  freePort,
  headersOf,
  lengthOf,
  redis,
  send,
  serve,
  untilReady,
} from "../fixtures/Serving.ts"
import * as TestDatabase from "../TestDatabase.ts"

const projects = "/api/v1/app/projects"

/** 50 requests a second, every other one a create, every tenth on a connection of its own, until `stop`. */
const load = Effect.fnUntraced(function* (port: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const headers = yield* headersOf("ada")
  const answers: Array<Answer> = []
  const failures: Array<string> = []
  const one = (n: number) => {
    const options = { port, path: projects, headers, agent: n % 10 === 9 ? false : agent }
    return Effect.match(
      n % 2 === 0
        ? send(options)
        : send({ ...options, method: "POST" }, JSON.stringify({ name: `Project ${n}` })),
      {
        onFailure: (error) => void failures.push(`${n}: ${error.code ?? error.message}`),
        onSuccess: (answer) => {
          answers.push(answer)
          if (answer.status >= 300) failures.push(`${n}: ${answer.status} ${answer.text}`)
        },
      },
    )
  }
  let running = true
  const sent: Array<Fiber.Fiber<void>> = []
  const clients = yield* Effect.whileLoop({
    while: () => running,
    body: () => Effect.tap(Effect.forkChild(one(sent.length)), Effect.sleep(20)),
    step: (fiber) => sent.push(fiber),
  }).pipe(
    Effect.andThen(Effect.suspend(() => Effect.forEach(sent, (fiber) => Fiber.join(fiber)))),
    Effect.andThen(Effect.sync(() => agent.destroy())),
    Effect.forkChild,
  )
  const stop = Effect.andThen(
    Effect.sync(() => (running = false)),
    Fiber.join(clients),
  )
  return { answers, failures, stop }
})

const database = Effect.flatMap(TestDatabase.TestDatabase, (url) =>
  PgClient.makeClient({ url: Redacted.make(url) }),
).pipe(Effect.provide(Reactivity.layer))

const idOf = ({ text }: Answer) => (JSON.parse(text) as { readonly id: string }).id

layer(TestDatabase.layer, { excludeTestServices: true })("A deploy", (it) => {
  it.effect.skipIf(!hasHaproxy())(
    "of two servers behind haproxy, one after the other, fails no request of 50 a second",
    () =>
      Effect.gen(function* () {
        const [first, second, balancer] = [yield* freePort, yield* freePort, yield* freePort]
        const redisUrl = yield* redis
        const servers = yield* Effect.forEach(
          [first, second],
          (port) => Effect.map(serve(port, redisUrl), (serving) => ({ port, ...serving })),
          { concurrency: "unbounded" },
        )
        yield* haproxy(balancer, [first, second])
        yield* untilReady(balancer)
        const { answers, failures, stop } = yield* load(balancer)
        yield* Effect.sleep(500)

        for (const { port, stop: terminate } of servers) {
          assert.strictEqual(yield* terminate, 0)
          yield* serve(port, redisUrl)
          // Until the balancer has seen it, too.
          yield* Effect.sleep(1000)
        }
        yield* stop

        assert.deepStrictEqual(failures, [])
        assert.isAbove(answers.length, 200)
        const sql = yield* database
        const rows = yield* sql<{ id: string }>`SELECT id FROM projects`
        const kept = new Set(rows.map(({ id }) => id))
        const made = answers.filter(({ status }) => status === 201).map(idOf)
        assert.deepStrictEqual(
          made.filter((id) => !kept.has(id)),
          [],
        )
        assert.strictEqual(kept.size, made.length)
      }).pipe(Effect.scoped),
    patience,
  )

  it.effect(
    "finishes or refuses what is under way when it is told to stop, and exits 0",
    () =>
      Effect.gen(function* () {
        const port = yield* freePort
        const serving = yield* serve(port, yield* redis)
        const options = { port, host: "127.0.0.1", headers: yield* headersOf("bob") }
        const admin = { ...options, headers: yield* headersOf("eve", "admin") }
        yield* send({ ...admin, path: projects })
        const create = { ...options, path: projects, method: "POST" }
        const body = JSON.stringify({ name: "One" })
        const { text } = yield* send(create, body)
        const path = `${projects}/${idOf({ status: 201, connection: undefined, text })}`

        // A response that its client is slow to read.
        const page = yield* answered(open({ ...options, path: "/docs" }).end())

        // A request that its client is slow to send.
        const upload = open(create)
        const uploaded = yield* Effect.forkChild(answerTo(upload), { startImmediately: true })
        upload.write(body.slice(0, 5))

        // Writes that wait for a lock: of the first for a while, of the second for too long.
        const [briefly, forever] = [yield* database, yield* database]
        yield* forever.unsafe("BEGIN")
        yield* forever.unsafe(`SELECT * FROM projects FOR UPDATE`)
        yield* briefly.unsafe("BEGIN")
        yield* briefly.unsafe("LOCK TABLE audit_logs IN ACCESS EXCLUSIVE MODE")
        const refused = yield* Effect.forkChild(
          send({ ...options, path, method: "PATCH" }, JSON.stringify({ name: "Two" })),
        )
        const changed = yield* Effect.forkChild(
          send(
            { ...admin, path: "/api/v1/admin/users/bob", method: "PATCH" },
            JSON.stringify({ full_name: "Bob" }),
          ),
        )
        yield* Effect.sleep(300)
        const stopping = yield* Effect.forkChild(serving.stop)
        yield* Effect.sleep(1000)
        yield* briefly.unsafe("ROLLBACK")
        yield* Effect.sleep(1500)
        upload.end(body.slice(5))

        assert.strictEqual((yield* Fiber.join(uploaded)).status, 201)
        const refusal = yield* Fiber.join(refused)
        assert.strictEqual(refusal.status, 503)
        assert.include(refusal.text, "SERVICE_UNAVAILABLE")
        assert.strictEqual((yield* Fiber.join(changed)).status, 200)
        assert.strictEqual(yield* lengthOf(page), Number(page.headers["content-length"]))
        assert.strictEqual(yield* Fiber.join(stopping), 0)
      }).pipe(Effect.scoped),
    patience,
  )
})
