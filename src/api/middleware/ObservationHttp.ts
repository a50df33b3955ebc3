import { Effect, Layer } from "effect"
import { Metrics } from "../../core/telemetry/Metrics.ts"
import { RequestInfo } from "../../domain/RequestInfo.ts"
import { endpointLabel, Exchange, unloggedRoutes } from "../../http/Exchange.ts"
import { Observation } from "./Observation.ts"

export const layer = Layer.effect(
  Observation,
  Effect.map(Metrics, (metrics) =>
    Observation.of((handler, { endpoint }) => {
      const label = endpointLabel(endpoint.path)
      const isCounted = !unloggedRoutes.has(label)
      return Effect.withFiber((fiber) => {
        const exchange = fiber.getRef(RequestInfo)
        if (exchange instanceof Exchange) {
          exchange.endpoint = label
          if (isCounted) metrics.httpStarted(exchange.method, label)
        }
        return handler
      })
    }),
  ),
)
