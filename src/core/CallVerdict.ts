import { Duration } from "effect"
import { Headers } from "effect/http"

/** What a failed call says about the service and about another attempt. An adapter gives one for each of its errors. */
export interface CallVerdict {
  /** Only theirs count against the circuit breaker. */
  readonly fault: "ours" | "theirs"
  /** `always`: they did nothing. `if_repeatable`: they may have done it. `never`: the answer would be the same. */
  readonly retry: "always" | "if_repeatable" | "never"
  /** Not before then. */
  readonly retryAfter?: Headers.RetryAfter
}

/** Nothing came back, or not in time. */
export const unanswered: CallVerdict = { fault: "theirs", retry: "if_repeatable" }

/** An answer that makes no sense. */
export const unusable: CallVerdict = { fault: "theirs", retry: "never" }

/** By the status of the answer (RFC 9110 §15) and its `Retry-After`. 408 and 429 say that the request was not taken. */
export const ofStatus = (status: number, retryAfter: string | undefined): CallVerdict => {
  const told = retryAfter === undefined ? undefined : Headers.parseRetryAfter(retryAfter)
  const verdict = byStatus(status)
  return told?._tag === "Success" ? { ...verdict, retryAfter: told.success } : verdict
}

const byStatus = (status: number): CallVerdict => {
  if (status >= 500) return { fault: "theirs", retry: "if_repeatable" }
  return { fault: "ours", retry: status === 408 || status === 429 ? "always" : "never" }
}

/** How long the service wants to be left alone, seen from `now` in Unix milliseconds. */
export const delayOf = ({ retryAfter }: CallVerdict, now: number): Duration.Duration =>
  retryAfter === undefined ? Duration.zero : Headers.retryAfterDelay(retryAfter, now)
