import type { Span as OtelSpan } from "@opentelemetry/api"
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base"
import { Context, Effect, type Fiber, Layer, Option, References, Tracer } from "effect"
import { type Headers, HttpMiddleware, HttpTraceContext } from "effect/http"
import { version } from "../domain/Version.ts"
import { scrub } from "./Logger.ts"
import { Settings } from "./Settings.ts"

/** The span of a request that is recorded. */
export interface RequestSpan {
  readonly trace_id: string
  readonly span_id: string
  /** `route` is the pattern, never the path with its ids. */
  readonly end: (method: string, route: string, status: number) => void
}

interface RequestHead {
  readonly method: string
  /** Up to the first `?`, `;` or `#`: what follows may hold tokens. */
  readonly path: string
  readonly headers: Headers.Headers
}

/**
 * OpenTelemetry traces, when OTEL_ENABLED; nothing of it is loaded otherwise. Whether a request is recorded is
 * decided before its first span is made, by the caller's `traceparent` (W3C), else by OTEL_TRACES_SAMPLER_ARG: one
 * that is not recorded makes no spans at all.
 */
export class Tracing extends Context.Service<
  Tracing,
  {
    /** Begins the span of a request on its fiber; undefined when it is not recorded. Null when tracing is off. */
    readonly begin:
      | ((fiber: Fiber.Fiber<unknown, unknown>, head: RequestHead) => RequestSpan | undefined)
      | null
  }
>()("plinth/core/Tracing") {
  static readonly layer = Layer.unwrap(
    Effect.map(Settings, (settings) =>
      settings.OTEL_ENABLED ? enabled(settings) : Layer.succeed(this, { begin: null }),
    ),
  )
}

const enabled = (settings: Settings["Service"]) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { OtelTracer, provider, api } = yield* sdk(settings)
      const otel = provider.getTracer("plinth", version)
      const tracer = yield* Effect.provideService(OtelTracer.make, OtelTracer.OtelTracer, otel)

      const begin = (
        fiber: Fiber.Fiber<unknown, unknown>,
        { headers, method, path }: RequestHead,
      ): RequestSpan | undefined => {
        const caller = Option.getOrUndefined(HttpTraceContext.w3c(headers))
        const parent =
          caller === undefined
            ? api.ROOT_CONTEXT
            : api.trace.setSpanContext(api.ROOT_CONTEXT, {
                traceId: caller.traceId,
                spanId: caller.spanId,
                traceFlags: caller.sampled ? api.TraceFlags.SAMPLED : api.TraceFlags.NONE,
                isRemote: true,
              })
        const span = otel.startSpan(
          method,
          {
            kind: api.SpanKind.SERVER,
            attributes: { "http.request.method": method, "url.path": path },
          },
          parent,
        )
        if (!span.isRecording()) {
          fiber.setContext(Context.add(fiber.context, References.TracerEnabled, false))
          return undefined
        }
        const { spanId, traceId } = span.spanContext()
        fiber.setContext(
          Context.add(
            fiber.context,
            Tracer.ParentSpan,
            OtelTracer.makeExternalSpan({ traceId, spanId, traceFlags: api.TraceFlags.SAMPLED }),
          ),
        )
        return { trace_id: traceId, span_id: spanId, end: ending(span, api.SpanStatusCode.ERROR) }
      }

      return Context.make(Tracing, { begin }).pipe(
        Context.add(Tracer.Tracer, tracer),
        // The stock span of a request has its whole URL: ours takes its place.
        Context.add(HttpMiddleware.TracerDisabledWhen, () => true),
      )
    }),
  )

const ending =
  (span: OtelSpan, error: number): RequestSpan["end"] =>
  (method, route, status) => {
    span.updateName(`${method} ${route}`)
    span.setAttribute("http.route", route)
    span.setAttribute("http.response.status_code", status)
    if (status >= 500) span.setStatus({ code: error })
    span.end()
  }

/** Loads the SDK, and flushes what it holds when the scope closes; a collector that is down costs at most this. */
const flushTimeout = "3 seconds"

const sdk = Effect.fnUntraced(function* (settings: Settings["Service"]) {
  const base = yield* Effect.promise(() => import("@opentelemetry/sdk-trace-base"))
  const { resourceFromAttributes } = yield* Effect.promise(() => import("@opentelemetry/resources"))
  const api = yield* Effect.promise(() => import("@opentelemetry/api"))
  const OtelTracer = yield* Effect.promise(() => import("@effect/opentelemetry/OtelTracer"))

  const exporter: SpanExporter | undefined =
    settings.OTEL_EXPORTER === "otlp"
      ? yield* otlp(settings)
      : settings.OTEL_EXPORTER === "console"
        ? new base.ConsoleSpanExporter()
        : undefined
  const provider = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new base.BasicTracerProvider({
          resource: resourceFromAttributes({
            "service.name": settings.OTEL_SERVICE_NAME ?? settings.PROJECT_NAME,
            "service.version": version,
            "deployment.environment.name": settings.ENVIRONMENT,
          }),
          sampler: new base.ParentBasedSampler({
            root: new base.TraceIdRatioBasedSampler(settings.OTEL_TRACES_SAMPLER_ARG),
          }),
          spanProcessors:
            exporter === undefined ? [] : [new base.BatchSpanProcessor(withoutSecrets(exporter))],
        }),
    ),
    (open) =>
      Effect.tryPromise(() => open.forceFlush().finally(() => open.shutdown())).pipe(
        Effect.timeoutOption(flushTimeout),
        Effect.ignore,
      ),
  )
  return { provider, api, OtelTracer }
})

/**
 * Spans of others hold whole URLs, and failures hold messages of drivers. Cleaned where they leave in batches, so that
 * it costs no request anything.
 */
const withoutSecrets = (exporter: SpanExporter): SpanExporter => ({
  export: (spans, done) => {
    for (const span of spans) clean(span)
    exporter.export(spans, done)
  },
  shutdown: () => exporter.shutdown(),
  forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
})

/** A span that has ended belongs to nobody else. */
const clean = ({ attributes, events, status }: ReadableSpan) => {
  delete attributes["url.query"]
  const url = attributes["url.full"]
  if (typeof url === "string") attributes["url.full"] = url.replace(/[?#].*$/s, "")
  for (const texts of [attributes, ...events.map((event) => event.attributes ?? {})]) {
    for (const [key, value] of Object.entries(texts)) {
      if (typeof value === "string") texts[key] = scrub(value)
    }
  }
  if (status.message !== undefined) status.message = scrub(status.message)
}

const otlp = Effect.fnUntraced(function* (settings: Settings["Service"]) {
  const { OTLPTraceExporter } = yield* Effect.promise(
    () => import("@opentelemetry/exporter-trace-otlp-http"),
  )
  const base = settings.OTEL_EXPORTER_OTLP_ENDPOINT ?? "http://localhost:4318"
  if (new URL(base).port === "4317") {
    yield* Effect.logWarning(
      "OTEL_EXPORTER_OTLP_ENDPOINT has the port of gRPC; traces are sent over HTTP, usually to 4318",
    )
  }
  return new OTLPTraceExporter({ url: `${base}/v1/traces`, timeoutMillis: 3000 })
})
