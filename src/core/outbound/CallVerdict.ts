import { Duration } from "effect"
import { Headers } from "effect/http"

/** Says whose fault a failed call was and whether to retry it. An adapter provides one for each of its errors. */
export interface CallVerdict {
  /** Only `theirs` counts against the circuit breaker. */
  readonly fault: "ours" | "theirs"
  /**
   * `always`: the service did nothing. `if_repeatable`: it may have done the work. `never`: another attempt would fail
   * the same way.
   */
  readonly retry: "always" | "if_repeatable" | "never"
  /** The earliest time of another attempt. */
  readonly retryAfter?: Headers.RetryAfter
}

/** No response, or not in time. */
export const unanswered: CallVerdict = { fault: "theirs", retry: "if_repeatable" }

/** A response that cannot be decoded. */
export const unusable: CallVerdict = { fault: "theirs", retry: "never" }

/** Classifies a status (RFC 9110 §15) and its `Retry-After`. 408 and 429: the request was not processed. */
export const ofStatus = (status: number, retryAfter: string | undefined): CallVerdict => {
  const parsed = retryAfter === undefined ? undefined : Headers.parseRetryAfter(retryAfter)
  const verdict = byStatus(status)
  return parsed?._tag === "Success" ? { ...verdict, retryAfter: parsed.success } : verdict
}

const byStatus = (status: number): CallVerdict => {
  if (status >= 500) return { fault: "theirs", retry: "if_repeatable" }
  return { fault: "ours", retry: status === 408 || status === 429 ? "always" : "never" }
}

/** Returns how long to wait before another attempt. `now` is in Unix milliseconds. */
export const delayOf = ({ retryAfter }: CallVerdict, now: number): Duration.Duration =>
  retryAfter === undefined ? Duration.zero : Headers.retryAfterDelay(retryAfter, now)
