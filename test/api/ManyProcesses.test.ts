import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import { Metrics } from "../../src/core/telemetry/Metrics.ts"
import { bodyOf, Http, type Request } from "../fixtures/http/Http.ts"
import { untilBack } from "../fixtures/processes/Processes.ts"
import { type Process, TwoServers } from "../fixtures/processes/TwoServers.ts"
import { hasProgram } from "../fixtures/servers/Programs.ts"
import { sleep } from "../fixtures/data/Sleep.ts"
import { RedisServer } from "../fixtures/servers/RedisServer.ts"

/** Two servers on one database and one Redis. */
const servers = Layer.unwrap(
  Effect.map(RedisServer, ({ url }) =>
    TwoServers.layer({ REDIS_URL: url, RATE_LIMIT_DEFAULT: "200/day" }),
  ),
).pipe(Layer.provideMerge(RedisServer.layer))

const projects = "/api/v1/app/projects"
const me = "/api/v1/app/users/me"

const ask = (process: Process, request: Request) => Context.get(process, Http).send(request)

const statusOf = (process: Process, request: Request) =>
  Effect.map(ask(process, request), ({ status }) => status)

interface Ready {
  readonly status: string
  readonly components: { readonly cache: { readonly status: string } }
}

const readiness = (process: Process) =>
  Effect.map(ask(process, { path: "/api/v1/public/health/ready" }), (answer) => {
    const { components, status } = bodyOf<Ready>(answer)
    return [answer.status, status, components.cache.status]
  })

const connections = (process: Process) =>
  Effect.map(Context.get(process, Metrics).render, (text) =>
    Number(/^redis_connections (\d+)$/m.exec(text)?.[1]),
  )

/** Sends `count` requests to each process, eight at a time, and returns the statuses. */
const load = (processes: ReadonlyArray<Process>, request: Request, count: number) =>
  Effect.map(
    Effect.forEach(
      processes,
      (process) => Effect.replicateEffect(statusOf(process, request), count, { concurrency: 8 }),
      { concurrency: "unbounded" },
    ),
    (all) => all.flat(),
  )

const countOf = (statuses: ReadonlyArray<number>, status: number) =>
  statuses.filter((one) => one === status).length

describe.skipIf(!hasProgram("redis"))("Two processes on one Redis", () => {
  layer(servers, { excludeTestServices: true })((it) => {
    it.effect("admit exactly the limit, of twice as many requests to both", () =>
      Effect.gen(function* () {
        const { a, b, newCaller } = yield* TwoServers
        const { token } = yield* newCaller("admin")
        const statuses = yield* load([a, b], { path: projects, token }, 200)
        assert.deepStrictEqual([countOf(statuses, 200), countOf(statuses, 429)], [200, 200])
      }),
    )

    it.effect("both refuse a deactivated user immediately", () =>
      Effect.gen(function* () {
        const { a, b, newCaller } = yield* TwoServers
        const [admin, user] = [yield* newCaller("admin"), yield* newCaller("admin")]
        for (const process of [a, b]) {
          assert.strictEqual(yield* statusOf(process, { path: me, token: user.token }), 200)
        }
        const path = `/api/v1/admin/users/${user.id}/deactivate`
        assert.strictEqual(yield* statusOf(a, { method: "POST", path, token: admin.token }), 200)
        // Without the invalidation message, the other process would cache the user for two seconds.
        yield* sleep(200)
        for (const process of [a, b]) {
          assert.strictEqual(yield* statusOf(process, { path: me, token: user.token }), 403)
        }
      }),
    )

    it.effect("continue with local limits when Redis is killed under load, and recover", () =>
      Effect.gen(function* () {
        const [{ a, b, newCaller }, redis] = [yield* TwoServers, yield* RedisServer]
        const { token } = yield* newCaller("admin")
        assert.deepStrictEqual(yield* readiness(a), [200, "healthy", "healthy"])
        assert.strictEqual(yield* connections(a), 2)

        const loading = yield* Effect.forkChild(load([a, b], { path: me, token }, 150))
        yield* sleep(50)
        yield* redis.kill
        const statuses = yield* Fiber.join(loading)
        assert.strictEqual(countOf(statuses, 200) + countOf(statuses, 429), 300)
        assert.deepStrictEqual(yield* readiness(a), [200, "degraded", "unhealthy"])
        assert.strictEqual(yield* connections(a), 0)

        const alone = yield* load([a, b], { path: projects, token }, 250)
        assert.deepStrictEqual([countOf(alone, 200), countOf(alone, 429)], [400, 100])

        yield* redis.start
        yield* Effect.forEach([a, b], (process) => Effect.provide(untilBack, process))
        assert.deepStrictEqual(yield* readiness(b), [200, "healthy", "healthy"])
        const together = yield* load([a, b], { path: projects, token }, 200)
        assert.strictEqual(countOf(together, 200), 200)
      }),
    )

    it.effect("answer and report degraded while Redis hangs", () =>
      Effect.gen(function* () {
        const [{ a, b, newCaller }, redis] = [yield* TwoServers, yield* RedisServer]
        const { token } = yield* newCaller("admin")
        yield* redis.freeze
        const statuses = yield* load([a, b], { path: me, token }, 100)
        assert.strictEqual(countOf(statuses, 200), 200)
        assert.deepStrictEqual(yield* readiness(a), [200, "degraded", "unhealthy"])
        yield* redis.thaw
        yield* Effect.forEach([a, b], (process) => Effect.provide(untilBack, process))
        assert.deepStrictEqual(yield* readiness(a), [200, "healthy", "healthy"])
      }),
    )
  })
})
