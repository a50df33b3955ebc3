import { Effect } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Readiness } from "../../business/operations/Readiness.ts"
import { bearerOf, isOneOf } from "../../http/Bearer.ts"
import { Metrics } from "../../core/telemetry/Metrics.ts"
import { Settings } from "../../core/settings/Settings.ts"
import { AuthenticationError } from "../../domain/Errors.ts"
import { now } from "../../domain/Fields.ts"
import { Api } from "../Api.ts"

/** The handlers of `HealthApi`, for the server and the worker. */
export const operations = Effect.gen(function* () {
  const readiness = yield* Readiness
  const metrics = yield* Metrics
  const { ENVIRONMENT, METRICS_TOKEN } = yield* Settings
  if (ENVIRONMENT === "production" && METRICS_TOKEN === null) {
    yield* Effect.logWarning("metrics endpoint closed: METRICS_TOKEN is not set")
  }

  const isMetricsToken = METRICS_TOKEN === null ? null : isOneOf([METRICS_TOKEN])
  const isAllowed = ({ headers }: HttpServerRequest.HttpServerRequest) =>
    isMetricsToken === null
      ? ENVIRONMENT !== "production"
      : isMetricsToken(bearerOf(headers["authorization"]))

  return {
    live: () => Effect.map(now, (timestamp) => ({ status: "healthy" as const, timestamp })),
    ready: () => readiness.check,
    metrics: ({ request }: { readonly request: HttpServerRequest.HttpServerRequest }) =>
      isAllowed(request)
        ? Effect.map(metrics.render, toPrometheusText)
        : Effect.fail(AuthenticationError.by.invalid_token),
  }
})

export const layer = HttpApiBuilder.group(Api, "health", (handlers) =>
  Effect.map(operations, (all) => handlers.handleAll(all)),
)

const toPrometheusText = (text: string) =>
  HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
