import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Logger, Schema } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { AddressLimit } from "../../src/api/AddressLimit.ts"
import * as AddressLimitHttp from "../../src/api/AddressLimitHttp.ts"
import { Authentication } from "../../src/api/Authentication.ts"
import * as AuthenticationHttp from "../../src/api/AuthenticationHttp.ts"
import { enveloped } from "../../src/api/Envelope.ts"
import { Limits } from "../../src/api/Limits.ts"
import { methodsOf } from "../../src/api/Methods.ts"
import {
  Deprecation,
  Policies,
  RateLimit,
  RequiredRole,
  unlimited,
} from "../../src/api/Policies.ts"
import * as PoliciesHttp from "../../src/api/PoliciesHttp.ts"
import * as Protocol from "../../src/api/Protocol.ts"
import { Address } from "../../src/api/Server.ts"
import { ServiceUnavailableError } from "../../src/domain/Errors.ts"
import { newCaller } from "../fixtures/Callers.ts"
import { failureOf, Http, send } from "../fixtures/Http.ts"
import { testAppWith } from "../TestApp.ts"

const success = Schema.Struct({ ok: Schema.Boolean })

/** Endpoints that our own contract does not have yet, behind the same edge and the same middlewares. */
class Sample extends HttpApi.make("sample").add(
  HttpApiGroup.make("open")
    .add(
      HttpApiEndpoint.get("open", "/open", { success }),
      HttpApiEndpoint.get("free", "/free", { success }).annotateMerge(unlimited),
    )
    .middleware(AddressLimit),
  HttpApiGroup.make("sample")
    .add(
      HttpApiEndpoint.get("chat", "/chat", { success }).annotate(RateLimit, "ai"),
      HttpApiEndpoint.get("complete", "/complete", { success }).annotate(RateLimit, "ai"),
      HttpApiEndpoint.get("old", "/old", { success }).annotate(Deprecation, {
        since: 1_767_225_600,
        sunset: "Wed, 01 Jul 2026 00:00:00 GMT",
        successor: "/new",
      }),
      HttpApiEndpoint.get("new", "/new", { success }),
      HttpApiEndpoint.get("highest", "/highest", { success }).annotate(RequiredRole, "superadmin"),
      HttpApiEndpoint.get("broken", "/broken", { success }),
      HttpApiEndpoint.get("thrown", "/thrown", { success }),
      HttpApiEndpoint.get("down", "/down", { success, error: enveloped(ServiceUnavailableError) }),
    )
    .middleware(Policies)
    .middleware(Authentication),
) {}

const answer = () => Effect.succeed({ ok: true })

const handlers = HttpApiBuilder.group(Sample, "sample", (handlers) =>
  handlers.handleAll({
    old: answer,
    chat: answer,
    complete: answer,
    new: answer,
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

const from = (forwarded: string, path = "/open") =>
  send({ path, headers: { "X-Forwarded-For": forwarded } })

const address = Layer.effect(
  Address,
  Effect.map(HttpServer.HttpServer, ({ address }) => ({
    port: "port" in address ? address.port : 0,
  })),
)

const routes = Layer.mergeAll(
  HttpApiBuilder.layer(Sample).pipe(
    Layer.provide([handlers, openHandlers]),
    Layer.provide([PoliciesHttp.layer, AuthenticationHttp.layer, AddressLimitHttp.layer]),
    Layer.provide(Limits.layer),
  ),
  Protocol.layerOf(methodsOf(Sample)),
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
    }),
  ),
  // What is broken on purpose is not news.
  Layer.provide(Logger.layer([])),
)

layer(server, { excludeTestServices: true })("An endpoint of any contract", (it) => {
  it.effect("that goes away tells since when, until when, and what comes after", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const { headers } = yield* send({ path: "/old", token })
      assert.strictEqual(headers["deprecation"], "@1767225600")
      assert.strictEqual(headers["sunset"], "Wed, 01 Jul 2026 00:00:00 GMT")
      assert.strictEqual(headers["link"], '</new>; rel="successor-version"')
      const stays = yield* send({ path: "/new", token })
      for (const name of ["deprecation", "sunset", "link"]) assert.isUndefined(stays.headers[name])
    }),
  )

  it.effect("is for the role it asks for, and above", () =>
    Effect.gen(function* () {
      for (const [role, status] of [
        ["user", 403],
        ["admin", 403],
        ["superadmin", 200],
      ] as const) {
        const { token } = yield* newCaller(role)
        assert.strictEqual((yield* send({ path: "/highest", token })).status, status)
      }
      assert.strictEqual((yield* send({ path: "/highest" })).status, 401)
    }),
  )

  it.effect("that is broken answers 500 without a word of it", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      for (const path of ["/broken", "/thrown"]) {
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

  it.effect("whose database is down answers 503 with Retry-After, and not why", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const answer = yield* send({ path: "/down", token })
      assert.strictEqual(answer.status, 503)
      assert.strictEqual(answer.headers["retry-after"], "7")
      assert.deepStrictEqual(failureOf(answer).details, { service: "database", retry_after: 7 })
    }),
  )

  it.effect("of the ai limit shares it with the others, apart from the default", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const answers = yield* Effect.forEach(["/chat", "/complete", "/chat", "/complete"], (path) =>
        send({ path, token }),
      )
      assert.deepStrictEqual(
        answers.map(({ status }) => status),
        [200, 200, 200, 429],
      )
      assert.strictEqual(answers[0]?.headers["ratelimit-policy"], '"ai";q=3;w=60')
      assert.strictEqual((yield* send({ path: "/new", token })).status, 200)
    }),
  )

  it.effect("without users counts by the address that the outermost trusted proxy saw", () =>
    Effect.gen(function* () {
      const first = yield* Effect.forEach(Array.from({ length: 21 }), (_, n) =>
        from(`203.0.113.${n}, 198.51.100.7, 10.0.0.1`),
      )
      assert.strictEqual(first.filter(({ status }) => status === 200).length, 20)
      assert.strictEqual(first.at(-1)?.status, 429)
      assert.strictEqual((yield* from("198.51.100.8, 10.0.0.1")).status, 200)
      const free = yield* from("198.51.100.7, 10.0.0.1", "/free")
      assert.deepStrictEqual([free.status, free.headers["ratelimit"]], [200, undefined])
    }),
  )
})
