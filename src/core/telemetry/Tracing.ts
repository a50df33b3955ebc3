import type { Span as OtelSpan } from "@opentelemetry/api"
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base"
import { Context, Effect, Layer, Option, References, Tracer } from "effect"
import { type Headers, HttpMiddleware, HttpTraceContext } from "effect/http"
import { version } from "../../domain/Version.ts"
import { scrub } from "./Logger.ts"
import { Settings } from "../settings/Settings.ts"

/** The span of a sampled request. */
export interface RequestSpan {
  readonly trace_id: string
  readonly span_id: string
  /** `route` is the route pattern, never the path with its ids. */
  readonly end: (method: string, route: string, status: number) => void
}

interface BegunRequest {
  /** Undefined if the request is not sampled. */
  readonly span: RequestSpan | undefined
  /** The context in which spans are children of the span; they are not recorded if the request is not sampled. */
  readonly context: Context.Context<never>
}

interface RequestHead {
  readonly method: string
  /** The path up to the first `?`, `;` or `#`, because the rest may contain tokens. */
  readonly path: string
  readonly headers: Headers.Headers
}

/**
 * OpenTelemetry traces if OTEL_ENABLED is set; otherwise OpenTelemetry is not loaded. The sampling decision precedes
 * the first span of a request. It follows the caller's `traceparent` (W3C), or else OTEL_TRACES_SAMPLER_ARG. A request
 * that is not sampled creates no spans.
 */
export class Tracing extends Context.Service<
  Tracing,
  {
    /** Starts the span of a request, whose fiber has this context. Null if tracing is off. */
    readonly begin: ((context: Context.Context<never>, head: RequestHead) => BegunRequest) | null
  }
>()("plinth/core/telemetry/Tracing") {
  static readonly layer = Layer.unwrap(
    Effect.map(Settings, (settings) =>
      settings.OTEL_ENABLED ? layerEnabled(settings) : Layer.succeed(this, { begin: null }),
    ),
  )
}

const layerEnabled = (settings: Settings["Service"]) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { OtelTracer, provider, api } = yield* loadSdk(settings)
      const otel = provider.getTracer("plinth", version)
      const tracer = yield* Effect.provideService(OtelTracer.make, OtelTracer.OtelTracer, otel)

      const begin = (
        context: Context.Context<never>,
        { headers, method, path }: RequestHead,
      ): BegunRequest => {
        const callerSpan = Option.getOrUndefined(HttpTraceContext.w3c(headers))
        const parent =
          callerSpan === undefined
            ? api.ROOT_CONTEXT
            : api.trace.setSpanContext(api.ROOT_CONTEXT, {
                traceId: callerSpan.traceId,
                spanId: callerSpan.spanId,
                traceFlags: callerSpan.sampled ? api.TraceFlags.SAMPLED : api.TraceFlags.NONE,
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
          return { span: undefined, context: Context.add(context, References.TracerEnabled, false) }
        }
        const { spanId, traceId } = span.spanContext()
        const parentSpan = OtelTracer.makeExternalSpan({
          traceId,
          spanId,
          traceFlags: api.TraceFlags.SAMPLED,
        })
        return {
          span: {
            trace_id: traceId,
            span_id: spanId,
            end: spanEnd(span, api.SpanStatusCode.ERROR),
          },
          context: Context.add(context, Tracer.ParentSpan, parentSpan) as Context.Context<never>,
        }
      }

      return Context.make(Tracing, { begin }).pipe(
        Context.add(Tracer.Tracer, tracer),
        // The span above replaces the stock span of a request, which contains the whole URL.
        Context.add(HttpMiddleware.TracerDisabledWhen, () => true),
      )
    }),
  )

const spanEnd =
  (span: OtelSpan, error: number): RequestSpan["end"] =>
  (method, route, status) => {
    span.updateName(`${method} ${route}`)
    span.setAttribute("http.route", route)
    span.setAttribute("http.response.status_code", status)
    if (status >= 500) span.setStatus({ code: error })
    span.end()
  }

/** The longest delay of shutdown by an unreachable collector. */
const flushTimeout = "3 seconds"

/** Loads the SDK. Flushes pending spans when the scope closes. */
const loadSdk = Effect.fnUntraced(function* (settings: Settings["Service"]) {
  const base = yield* Effect.promise(() => import("@opentelemetry/sdk-trace-base"))
  const { resourceFromAttributes } = yield* Effect.promise(() => import("@opentelemetry/resources"))
  const api = yield* Effect.promise(() => import("@opentelemetry/api"))
  const OtelTracer = yield* Effect.promise(() => import("@effect/opentelemetry/OtelTracer"))

  const exporter: SpanExporter | undefined =
    settings.OTEL_EXPORTER === "otlp"
      ? yield* otlpExporter(settings)
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
    (active) =>
      Effect.tryPromise(() => active.forceFlush().finally(() => active.shutdown())).pipe(
        Effect.timeoutOption(flushTimeout),
        Effect.ignore,
      ),
  )
  return { provider, api, OtelTracer }
})

/**
 * Removes secrets from spans before export: spans of libraries contain whole URLs, and errors contain messages of
 * drivers. Runs on batches, outside the path of requests.
 */
const withoutSecrets = (exporter: SpanExporter): SpanExporter => ({
  export: (spans, done) => {
    for (const span of spans) scrubSpan(span)
    exporter.export(spans, done)
  },
  shutdown: () => exporter.shutdown(),
  forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
})

/** Mutates the span, which is safe because it has ended. */
const scrubSpan = ({ attributes, events, status }: ReadableSpan) => {
  delete attributes["url.query"]
  const url = attributes["url.full"]
  if (typeof url === "string") attributes["url.full"] = url.replace(/[?#].*$/s, "")
  for (const attributeSet of [attributes, ...events.map((event) => event.attributes ?? {})]) {
    for (const [key, value] of Object.entries(attributeSet)) {
      if (typeof value === "string") attributeSet[key] = scrub(value)
    }
  }
  if (status.message !== undefined) status.message = scrub(status.message)
}

const otlpExporter = Effect.fnUntraced(function* (settings: Settings["Service"]) {
  const { OTLPTraceExporter } = yield* Effect.promise(
    () => import("@opentelemetry/exporter-trace-otlp-http"),
  )
  const base = settings.OTEL_EXPORTER_OTLP_ENDPOINT ?? "http://localhost:4318"
  if (new URL(base).port === "4317") {
    yield* Effect.logWarning(
      "OTEL_EXPORTER_OTLP_ENDPOINT has the gRPC port 4317; traces are sent over HTTP, usually to port 4318",
    )
  }
  return new OTLPTraceExporter({ url: `${base}/v1/traces`, timeoutMillis: 3000 })
})
