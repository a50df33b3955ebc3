import { memoize } from "../Memoize.ts"
import type { Registry } from "./Registry.ts"

export type CircuitState = "closed" | "half_open" | "open"

/** The values of `circuit_breaker_state`. */
const circuitStates: Readonly<Record<CircuitState, number>> = { closed: 0, half_open: 1, open: 2 }

/** Metrics of external services. */
export interface ExternalMetrics {
  /** Records a call to an external service, including its retries. */
  readonly externalCall: (
    service: string,
    operation: string,
    status: "success" | "error",
    seconds: number,
  ) => void
  readonly circuitBreaker: (service: string, state: CircuitState) => void
}

const buckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export const make = ({ counter, gauge, histogram }: Registry): ExternalMetrics => {
  const calls = counter("external_service_requests_total", "Calls to external services.")
  const times = histogram(
    "external_service_duration_seconds",
    "Duration of calls to external services, including retries.",
    buckets,
  )
  const callsOf = memoize((service: string) =>
    memoize((operation: string) => {
      const labels = { service, operation }
      return {
        time: times(labels),
        count: memoize((status: string) => calls({ ...labels, status })),
      }
    }),
  )
  const breakers = gauge(
    "circuit_breaker_state",
    "Circuit breaker state: 0 closed, 1 half open, 2 open.",
  )
  const breakerOf = memoize((service: string) => breakers({ service }))

  return {
    externalCall: (service, operation, status, seconds) => {
      const { count, time } = callsOf(service)(operation)
      count(status)(1)
      time(seconds)
    },
    circuitBreaker: (service, state) => breakerOf(service)(circuitStates[state]),
  }
}
