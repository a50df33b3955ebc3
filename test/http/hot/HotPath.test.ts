import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Layer, Logger, Schema, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import {
  HttpApi,
  HttpApiBuilder,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpApiMiddleware,
} from "effect/http-api"
import { appApi } from "../../../src/api/Audiences.ts"
import { endpointsOf } from "../../../src/api/hot/HotApi.ts"
import * as HotHttp from "../../../src/api/hot/HotHttp.ts"
import * as AuthenticationHttp from "../../../src/api/middleware/AuthenticationHttp.ts"
import * as IdempotencyHttp from "../../../src/api/middleware/IdempotencyHttp.ts"
import * as InputHttp from "../../../src/api/middleware/InputHttp.ts"
import * as PoliciesHttp from "../../../src/api/middleware/PoliciesHttp.ts"
import * as QuotaHttp from "../../../src/api/middleware/QuotaHttp.ts"
import { CurrentUser } from "../../../src/domain/users/User.ts"
import { Bodies } from "../../../src/http/Bodies.ts"
import { HotPath } from "../../../src/http/hot/HotPath.ts"
import { Limits } from "../../../src/http/Limits.ts"
import { offHotPath } from "../../../src/http/Policies.ts"
import * as Protocol from "../../../src/http/Protocol.ts"
import { routesOf } from "../../../src/http/Routes.ts"
import * as Server from "../../../src/http/Server.ts"
import { newCaller } from "../../fixtures/http/Callers.ts"
import { Http, send } from "../../fixtures/http/Http.ts"
import { testAppWith } from "../../TestApp.ts"

const success = Schema.Struct({ name: Schema.String })

/** A middleware that the hot path does not know. */
class Stamp extends HttpApiMiddleware.Service<Stamp>()("plinth/test/http/hot/Stamp") {}

const get = <const Name extends string>(name: Name) =>
  HttpApiEndpoint.get(name, `/${name}`, { success })

const SampleGroup = HttpApiGroup.make("sample").add(
  get("plain"),
  get("reads"),
  get("readsOff").annotateMerge(offHotPath),
  get("serves"),
  get("finalizes"),
  get("streams"),
  get("streamsOff").annotateMerge(offHotPath),
  get("throws"),
  get("stamped").middleware(Stamp),
)

class Sample extends HttpApi.make("sample").addHttpApi(appApi(SampleGroup)) {}

const name = Effect.map(CurrentUser, ({ id }) => ({ name: id }))
const stream = () =>
  Effect.succeed(HttpServerResponse.stream(Stream.succeed(new TextEncoder().encode('{"name":""}'))))

const handlers = HttpApiBuilder.group(Sample, "sample", (all) =>
  all.handleAll({
    plain: () => name,
    reads: ({ request }) => Effect.succeed({ name: request.method }),
    readsOff: ({ request }) => Effect.succeed({ name: request.method }),
    serves: () =>
      Effect.map(HttpServerRequest.HttpServerRequest, ({ method }) => ({ name: method })),
    finalizes: () =>
      Effect.as(
        Effect.addFinalizer(() => Effect.void),
        { name: "" },
      ),
    streams: stream,
    streamsOff: stream,
    throws: (): typeof name => {
      throw new Error("private words")
    },
    stamped: () => name,
  }),
)

const middlewares = Layer.mergeAll(
  AuthenticationHttp.layer,
  PoliciesHttp.layer,
  InputHttp.layer,
  IdempotencyHttp.layer,
  QuotaHttp.layer,
  Layer.succeed(Stamp, (handler) =>
    Effect.map(handler, HttpServerResponse.setHeader("stamp", "1")),
  ),
).pipe(Layer.provide(Limits.layer))

/** The causes that were logged. */
const logged: Array<string> = []
const logger = Logger.make(({ cause }) => logged.push(Cause.pretty(cause)))
/** Paths that the hot path answered. */
const answered: Array<string> = []

const hotPath = Layer.effect(
  HotPath,
  Effect.map(HotHttp.routesOf(endpointsOf(Sample)), (routes) =>
    routes.map(({ answer, ...route }) => ({
      ...route,
      answer: (request: Parameters<typeof answer>[0]) => {
        const isAnswered = answer(request)
        if (isAnswered) answered.push(route.path)
        return isAnswered
      },
    })),
  ),
).pipe(
  Layer.provide(handlers),
  Layer.provide(middlewares),
  Layer.provide([Limits.layer, Bodies.layer]),
)

const routes = Layer.merge(
  HttpApiBuilder.layer(Sample).pipe(Layer.provide(handlers), Layer.provide(middlewares)),
  Protocol.layerOf(routesOf(Sample)),
)

const server = Http.layer.pipe(
  Layer.provideMerge(Server.layerOf(routes, "PORT").pipe(Layer.provide(hotPath))),
  Layer.provideMerge(testAppWith({})),
  Layer.provideMerge(Logger.layer([logger])),
)

const ask = (path: string) =>
  Effect.gen(function* () {
    const { token } = yield* newCaller()
    return yield* send({ path: `/app/${path}`, token })
  })

layer(server, { excludeTestServices: true })("An endpoint", (it) => {
  it.effect("is on the hot path by itself", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* ask("plain")).status, 200)
      assert.include(answered, "/app/plain")
    }),
  )

  for (const path of ["readsOff", "streamsOff", "stamped"]) {
    it.effect(`is off it by annotation, or by a middleware that it does not know: ${path}`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* ask(path)).status, 200)
        assert.notInclude(answered, `/app/${path}`)
      }),
    )
  }

  const failing = [
    ["reads", /uses request, .* annotate its endpoint with offHotPath/],
    ["serves", /uses HttpServerRequest, .* annotate its endpoint with offHotPath/],
    ["finalizes", /uses Scope, .* annotate its endpoint with offHotPath/],
    ["streams", /GET \/app\/streams answered with a stream .* annotate it with offHotPath/],
    ["throws", /private words/],
  ] as const
  for (const [path, reason] of failing) {
    it.effect(`whose handler needs what the hot path does not give fails by name: ${path}`, () =>
      Effect.gen(function* () {
        const { status, text } = yield* ask(path)
        assert.strictEqual(status, 500)
        assert.notInclude(text, "words")
        assert.include(answered, `/app/${path}`)
        assert.match(logged.at(-1) ?? "", reason)
        assert.strictEqual((yield* ask("plain")).status, 200)
      }),
    )
  }
})
