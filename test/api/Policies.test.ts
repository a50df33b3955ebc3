import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Logger, Schema } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import * as AddressLimitHttp from "../../src/api/middleware/AddressLimitHttp.ts"
import { adminApi, appApi, publicApi } from "../../src/api/Audiences.ts"
import * as AuthenticationHttp from "../../src/api/middleware/AuthenticationHttp.ts"
import { enveloped } from "../../src/http/Envelope.ts"
import * as IdempotencyHttp from "../../src/api/middleware/IdempotencyHttp.ts"
import * as InputHttp from "../../src/api/middleware/InputHttp.ts"
import { Limits } from "../../src/http/Limits.ts"
import { routesOf } from "../../src/http/Routes.ts"
import {
  Deprecation,
  exemptFromQuota,
  RateLimit,
  RequiredRole,
  unlimited,
} from "../../src/http/Policies.ts"
import * as PoliciesHttp from "../../src/api/middleware/PoliciesHttp.ts"
import * as Protocol from "../../src/http/Protocol.ts"
import * as QuotaHttp from "../../src/api/middleware/QuotaHttp.ts"
import { Address } from "../../src/http/Server.ts"
import { Usage } from "../../src/business/usage/Usage.ts"
import { ServiceUnavailableError } from "../../src/domain/Errors.ts"
import { now } from "../../src/domain/Fields.ts"
import { type Caller, newCaller } from "../fixtures/http/Callers.ts"
import { failureOf, Http, send } from "../fixtures/http/Http.ts"
import { testAppWith } from "../TestApp.ts"

const success = Schema.Struct({ ok: Schema.Boolean })

/** Endpoints with each annotation. */
const SampleGroup = HttpApiGroup.make("sample").add(
  HttpApiEndpoint.get("chat", "/chat", { success }).annotate(RateLimit, "ai"),
  HttpApiEndpoint.get("complete", "/complete", { success }).annotate(RateLimit, "ai"),
  HttpApiEndpoint.get("old", "/old", { success }).annotate(Deprecation, {
    since: 1_767_225_600,
    sunset: "Wed, 01 Jul 2026 00:00:00 GMT",
    successor: "/new",
  }),
  HttpApiEndpoint.get("new", "/new", { success }),
  HttpApiEndpoint.get("exempt", "/exempt", { success }).annotateMerge(exemptFromQuota),
  HttpApiEndpoint.get("highest", "/highest", { success }).annotate(RequiredRole, "superadmin"),
  HttpApiEndpoint.get("broken", "/broken", { success }),
  HttpApiEndpoint.get("thrown", "/thrown", { success }),
  HttpApiEndpoint.get("down", "/down", { success, error: enveloped(ServiceUnavailableError) }),
)

/** A group in the admin audience, with an endpoint without annotations and one that requires only the role `user`. */
const ForgetfulGroup = HttpApiGroup.make("forgetful").add(
  HttpApiEndpoint.get("forgetful", "/forgetful", { success }),
  HttpApiEndpoint.get("everybody", "/everybody", { success }).annotate(RequiredRole, "user"),
)

/** Endpoints that our own contract lacks, in its audiences, behind the same edge and middleware. */
class Sample extends HttpApi.make("sample")
  .addHttpApi(
    publicApi(
      HttpApiGroup.make("open").add(
        HttpApiEndpoint.get("open", "/open", { success }),
        HttpApiEndpoint.get("free", "/free", { success }).annotateMerge(unlimited),
      ),
    ),
  )
  .addHttpApi(
    appApi(
      SampleGroup,
      HttpApiGroup.make("quiet")
        .add(HttpApiEndpoint.get("quiet", "/quiet", { success }))
        .annotateMerge(exemptFromQuota),
    ),
  )
  .addHttpApi(adminApi(ForgetfulGroup)) {}

const answer = () => Effect.succeed({ ok: true })

const handlers = HttpApiBuilder.group(Sample, "sample", (handlers) =>
  handlers.handleAll({
    old: answer,
    chat: answer,
    complete: answer,
    new: answer,
    exempt: answer,
    highest: answer,
    broken: () => Effect.die(new Error("canary")),
    thrown: (): ReturnType<typeof answer> => {
      throw new Error("canary")
    },
    down: () =>
      Effect.fail(
        new ServiceUnavailableError({
          service: "database",
          retry_after: 7,
          cause: new Error("canary"),
        }),
      ),
  }),
)

const openHandlers = HttpApiBuilder.group(Sample, "open", (handlers) =>
  handlers.handleAll({ open: answer, free: answer }),
)

const quietHandlers = HttpApiBuilder.group(Sample, "quiet", (handlers) =>
  handlers.handleAll({ quiet: answer }),
)

const forgetfulHandlers = HttpApiBuilder.group(Sample, "forgetful", (handlers) =>
  handlers.handleAll({ forgetful: answer, everybody: answer }),
)

const from = (forwarded: string, path = "/public/open") =>
  send({ path, headers: { "X-Forwarded-For": forwarded } })

const statusFor = (path: string, { token }: Caller) =>
  Effect.map(send({ path, token }), ({ status }) => status)

const address = Layer.effect(
  Address,
  Effect.map(HttpServer.HttpServer, ({ address }) => ({
    port: "port" in address ? address.port : 0,
  })),
)

const middlewares = Layer.mergeAll(
  PoliciesHttp.layer,
  AuthenticationHttp.layer,
  AddressLimitHttp.layer,
  QuotaHttp.layer,
  InputHttp.layer,
  IdempotencyHttp.layer,
).pipe(Layer.provide(Limits.layer))

const routes = Layer.mergeAll(
  HttpApiBuilder.layer(Sample).pipe(
    Layer.provide([handlers, openHandlers, quietHandlers, forgetfulHandlers]),
    Layer.provide(middlewares),
  ),
  Protocol.layerOf(routesOf(Sample)),
)

const server = Layer.mergeAll(
  HttpRouter.serve(routes),
  Http.layer.pipe(Layer.provide(address)),
).pipe(
  Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
  Layer.provideMerge(
    testAppWith({
      RATE_LIMIT_DEFAULT: "20/minute",
      RATE_LIMIT_AI: "3/minute",
      TRUSTED_PROXIES: "2",
      PLAN_LIMITS: '{"free":{"api_requests":1000}}',
    }),
  ),
  // The failures are intended: nothing to log.
  Layer.provide(Logger.layer([])),
)

layer(server, { excludeTestServices: true })("An endpoint of any contract", (it) => {
  it.effect("announces its deprecation, sunset and successor in headers", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const { headers } = yield* send({ path: "/app/old", token })
      assert.strictEqual(headers["deprecation"], "@1767225600")
      assert.strictEqual(headers["sunset"], "Wed, 01 Jul 2026 00:00:00 GMT")
      assert.strictEqual(headers["link"], '</new>; rel="successor-version"')
      const stays = yield* send({ path: "/app/new", token })
      for (const name of ["deprecation", "sunset", "link"]) assert.isUndefined(stays.headers[name])
    }),
  )

  it.effect("admits the required role and higher ones", () =>
    Effect.gen(function* () {
      for (const [role, status] of [
        ["user", 403],
        ["admin", 403],
        ["superadmin", 200],
      ] as const) {
        const { token } = yield* newCaller(role)
        assert.strictEqual((yield* send({ path: "/app/highest", token })).status, status)
      }
      assert.strictEqual((yield* send({ path: "/app/highest" })).status, 401)
    }),
  )

  it.effect("the admin audience requires an admin unless an endpoint is annotated otherwise", () =>
    Effect.gen(function* () {
      const [user, admin] = [yield* newCaller(), yield* newCaller("admin")]
      assert.strictEqual(yield* statusFor("/admin/forgetful", user), 403)
      assert.strictEqual(yield* statusFor("/admin/forgetful", admin), 200)
      assert.strictEqual(yield* statusFor("/admin/everybody", user), 200)
    }),
  )

  it.effect("is closed by a spent plan unless it or its group is exempt", () =>
    Effect.gen(function* () {
      const caller = yield* newCaller()
      const { id } = caller
      const usage = yield* Usage
      yield* usage.record([
        {
          source: `test:${id}`,
          user_id: id,
          metric: "api_requests",
          quantity: 1000,
          dimension: "",
          estimated: false,
          occurred_at: yield* now,
        },
      ])
      const statuses = yield* Effect.forEach(
        ["/app/new", "/app/exempt", "/app/quiet", "/admin/everybody"],
        (path) => statusFor(path, caller),
      )
      assert.deepStrictEqual(statuses, [402, 200, 200, 200])
    }),
  )

  it.effect("a POST must declare how it handles repetition, or the server does not start", () =>
    Effect.gen(function* () {
      class Undecided extends HttpApi.make("undecided").addHttpApi(
        appApi(HttpApiGroup.make("pay").add(HttpApiEndpoint.post("pay", "/pay", { success }))),
      ) {}
      const pay = HttpApiBuilder.group(Undecided, "pay", (handlers) =>
        handlers.handleAll({ pay: answer }),
      )
      const start = HttpRouter.toHttpEffect(
        HttpApiBuilder.layer(Undecided).pipe(
          Layer.provide(pay),
          Layer.provide(middlewares),
          Layer.provide(NodeHttpServer.layerHttpServices),
        ),
      )
      const exit = yield* Effect.exit(start)
      assert(Exit.isFailure(exit))
      assert.match(
        Cause.pretty(exit.cause),
        /POST \/app\/pay does not declare how it handles repeated requests/,
      )
    }),
  )

  it.effect("a defect answers 500 without its message", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      for (const path of ["/app/broken", "/app/thrown"]) {
        const answer = yield* send({ path, token })
        assert.strictEqual(answer.status, 500)
        assert.deepStrictEqual(failureOf(answer), {
          code: "INTERNAL_ERROR",
          message: "Internal error",
          details: {},
        })
      }
    }),
  )

  it.effect("answers 503 with Retry-After and without the cause when the database is down", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const answer = yield* send({ path: "/app/down", token })
      assert.strictEqual(answer.status, 503)
      assert.strictEqual(answer.headers["retry-after"], "7")
      assert.deepStrictEqual(failureOf(answer).details, { service: "database", retry_after: 7 })
    }),
  )

  it.effect(
    "shares the `ai` limit with the others of that limit, apart from the default limit",
    () =>
      Effect.gen(function* () {
        const { token } = yield* newCaller()
        const answers = yield* Effect.forEach(
          ["/app/chat", "/app/complete", "/app/chat", "/app/complete"],
          (path) => send({ path, token }),
        )
        assert.deepStrictEqual(
          answers.map(({ status }) => status),
          [200, 200, 200, 429],
        )
        assert.strictEqual(answers[0]?.headers["ratelimit-policy"], '"ai";q=3;w=60')
        assert.strictEqual((yield* send({ path: "/app/new", token })).status, 200)
      }),
  )

  it.effect(
    "calls without sign-in are limited by the address that the outermost trusted proxy saw",
    () =>
      Effect.gen(function* () {
        const first = yield* Effect.forEach(Array.from({ length: 21 }), (_, n) =>
          from(`203.0.113.${n}, 198.51.100.7, 10.0.0.1`),
        )
        assert.strictEqual(first.filter(({ status }) => status === 200).length, 20)
        assert.strictEqual(first.at(-1)?.status, 429)
        assert.strictEqual((yield* from("198.51.100.8, 10.0.0.1")).status, 200)
        const free = yield* from("198.51.100.7, 10.0.0.1", "/public/free")
        assert.deepStrictEqual([free.status, free.headers["ratelimit"]], [200, undefined])
      }),
  )
})
