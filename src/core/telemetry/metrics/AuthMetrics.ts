import { memoize } from "../Memoize.ts"
import type { Registry } from "./Registry.ts"

/** Metrics of authentication. */
export interface AuthMetrics {
  readonly authEvent: (event: "login" | "signup" | "failed", provider: string) => void
  readonly authFailure: (reason: string) => void
}

export const make = ({ counter }: Registry): AuthMetrics => {
  const events = counter(
    "auth_events_total",
    "Authentication events: logins, sign-ups and failures.",
  )
  const eventsOf = memoize((event: string) =>
    memoize((provider: string) => events({ event, provider })),
  )
  const failures = counter("auth_failures_total", "Rejected credentials by reason.")
  const failuresOf = memoize((reason: string) => failures({ reason }))

  return {
    authEvent: (event, provider) => eventsOf(event)(provider)(1),
    authFailure: (reason) => failuresOf(reason)(1),
  }
}
