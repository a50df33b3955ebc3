import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { HttpBody, HttpClient } from "effect/http"
import * as Server from "../../src/http/Server.ts"
import { PlinthRpc } from "../../src/rpc/RpcClient.ts"
import { Collector } from "../fixtures/servers/Collector.ts"
import { frame, rpcToken } from "../fixtures/http/Rpc.ts"
import { testServerWith } from "../TestApp.ts"

layer(Layer.empty, { excludeTestServices: true })("A traced RPC call", (it) => {
  it.effect("joins its caller's trace, with statements below it, and answers traceresponse", () =>
    Effect.gen(function* () {
      const { spans, url: OTEL_EXPORTER_OTLP_ENDPOINT } = yield* Collector
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        testServerWith({
          RPC_TOKEN: rpcToken,
          OTEL_ENABLED: "true",
          OTEL_EXPORTER_OTLP_ENDPOINT,
        }),
        scope,
      )
      const { port } = yield* Effect.provide(Server.Address, context)
      const url = `http://127.0.0.1:${port}`

      const traceId = yield* Effect.gen(function* () {
        const rpc = yield* PlinthRpc
        yield* rpc("users.list", {})
        return (yield* Effect.currentSpan).traceId
      }).pipe(
        Effect.withSpan("caller"),
        Effect.provide(PlinthRpc.layer({ url, token: rpcToken, caller: "tests" })),
      )
      const { headers } = yield* HttpClient.post(`${url}/rpc`, {
        headers: { authorization: `Bearer ${rpcToken}`, "content-type": "application/x-ndjson" },
        body: HttpBody.text(frame("jobs.stats"), "application/x-ndjson"),
      }).pipe(Effect.withTracerEnabled(false), Effect.provide(context))
      yield* Scope.close(scope, Exit.void)

      const named = (name: string) => spans.filter((span) => span.name === name)
      const [request, untraced] = named("POST /rpc")
      assert(request?.parentSpanId !== undefined)
      assert.strictEqual(request.traceId, traceId)
      const call = named("users.list")[0]
      assert.strictEqual(call?.parentSpanId, request.spanId)
      assert.isTrue(spans.some(({ parentSpanId }) => parentSpanId === call?.spanId))
      assert.strictEqual(headers["traceresponse"], `00-${untraced?.traceId}-${untraced?.spanId}-01`)
    }).pipe(Effect.provide(Layer.fresh(Collector.layer))),
  )
})
