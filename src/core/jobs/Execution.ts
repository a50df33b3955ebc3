import { Cause, Data, Duration, Effect, Exit, Option, Random, Schema, Tracer } from "effect"
import {
  backoffOf,
  isRetryable,
  type JobId,
  type JobPolicy,
  type JobType,
  policyOf,
} from "../../domain/jobs/Job.ts"
import { Issues } from "../../domain/Issues.ts"
import { RequestInfo } from "../../domain/RequestInfo.ts"
import { anyJson, jsonIssue } from "../../domain/Storable.ts"
import { errorText } from "../telemetry/ErrorText.ts"
import { type LeasedJob, payloadOf, type Settlement } from "./Store.ts"
import type { Metrics } from "../telemetry/Metrics.ts"
import { currentSteadyMillis } from "../SteadyClock.ts"

/** The running attempt, as its handler sees it. */
export interface JobContext {
  /** The same at each attempt. Use it as an idempotency key. */
  readonly id: JobId
  /** Counts from 1. */
  readonly attempt: number
  /** Reports progress to operators, 0 to 100. */
  readonly progress: (percent: number) => Effect.Effect<void>
}

/** Runs the jobs of one type. */
export interface JobHandler {
  readonly type: JobType
  /** Returns JSON, or undefined. */
  readonly run: (payload: unknown, context: JobContext) => Effect.Effect<unknown, JobFailed>
}

/** A handler failed with `cause`. */
export class JobFailed extends Data.TaggedError("JobFailed")<{ readonly cause: unknown }> {}

/**
 * Makes a handler from a function, capturing the services that it needs. A job may run more than once, so the function
 * must be idempotent: it checks for existing rows, or uses the job's id as an idempotency key. An error with
 * `retryable: false` fails the job; any other error is retried.
 */
export const handler = <Payload, E, R>(
  type: JobType<Payload>,
  run: (payload: Payload, context: JobContext) => Effect.Effect<unknown, E, R>,
): Effect.Effect<JobHandler, never, R> => {
  const decode = Schema.decodeUnknownEffect(type)
  return Effect.map(Effect.context<R>(), (services) => ({
    type,
    run: (payload, context) =>
      decode(payload).pipe(
        Effect.mapError((cause) => new MalformedPayload({ cause })),
        Effect.flatMap((decoded) => run(decoded, context)),
        Effect.mapError((cause) => new JobFailed({ cause })),
        Effect.provideContext(services),
      ),
  }))
}

/** The payload was written by another version, or by hand. The message names its fields, never a value. */
class MalformedPayload extends Data.TaggedError("MalformedPayload")<{
  readonly cause: Schema.SchemaError
}> {
  readonly retryable = false
  override get message() {
    const { reported } = Issues.of(this.cause.issue, "payload")
    const issues = reported.map(({ message, path }) => `${path}: ${message}`)
    return `its payload is invalid (${issues.join("; ")})`
  }
}

class TimedOut extends Data.TaggedError("TimedOut")<{ readonly timeout: Duration.Duration }> {
  override get message() {
    return `did not finish within ${Duration.format(this.timeout)}`
  }
}

class UnusableResult extends Data.TaggedError("UnusableResult") {
  readonly retryable = false
  override get message() {
    return "its result is not JSON that can be stored"
  }
}

interface Options {
  readonly handler: JobHandler
  readonly claim: LeasedJob
  readonly progress: JobContext["progress"]
  readonly metrics: Metrics["Service"]
}

/** Runs one attempt and returns its settlement. Never fails; its runner interrupts it to stop it. */
export const execute = Effect.fnUntraced(function* ({
  claim,
  handler,
  metrics,
  progress,
}: Options) {
  const { attempt, id, name } = claim
  const policy = policyOf(handler.type)
  const timeout = Duration.fromInputUnsafe(policy.timeout)
  const { trace } = originOf(claim.message)

  metrics.job(name, "started")
  const started = yield* currentSteadyMillis
  const exit = yield* handler.run(payloadOf(claim.message), { id, attempt, progress }).pipe(
    Effect.flatMap(toJsonResult),
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail(new JobFailed({ cause: new TimedOut({ timeout }) })),
    }),
    Effect.withSpan(`job ${name}`, {
      kind: "consumer",
      attributes: { "job.id": id, "job.name": name, "job.attempt": attempt },
      ...(trace !== null && {
        parent: Tracer.externalSpan({
          traceId: trace.trace_id,
          spanId: trace.span_id,
          sampled: trace.sampled,
        }),
      }),
    }),
    Effect.exit,
  )
  metrics.jobDuration(name, ((yield* currentSteadyMillis) - started) / 1000)
  metrics.job(name, Exit.isSuccess(exit) ? "completed" : "failed")
  return Exit.isSuccess(exit)
    ? { claim, outcome: "completed" as const, result: exit.value }
    : yield* settleFailure(claim, policy, exit.cause)
}, withOrigin)

/** Converts a result to the JSON that will be stored. */
const toJsonResult = (value: unknown) =>
  Effect.try({
    try: (): unknown => {
      const parsed: unknown = JSON.parse(JSON.stringify(value) ?? "null")
      const issue = jsonIssue(parsed, anyJson)
      if (issue !== undefined) throw new Error(issue)
      return parsed
    },
    catch: () => new JobFailed({ cause: new UnusableResult() }),
  })

/** Decides whether and when to retry a failed attempt, and logs it. */
const settleFailure = Effect.fnUntraced(function* (
  claim: LeasedJob,
  policy: JobPolicy,
  cause: Cause.Cause<unknown>,
): Effect.fn.Return<Settlement> {
  const squashed = Cause.squash(cause)
  const failure = squashed instanceof JobFailed ? squashed.cause : squashed
  const error = storableText(failure)
  const isLast = claim.attempt >= claim.max_attempts || !isRetryable(failure)
  const log = isLast ? Effect.logError : Effect.logWarning
  yield* log(isLast ? "job failed" : "job failed, will be retried", Cause.fail(failure))
  if (isLast) return { claim, outcome: "failed", error }
  const backoff = backoffOf(policy, { attempts: claim.attempt, randomFraction: yield* Random.next })
  return { claim, outcome: "retry", error, delayMs: Math.max(backoff, retryAfterMs(failure)) }
})

/** Returns the `retry_after` of an error, in ms; 0 without one. */
const retryAfterMs = (error: unknown) =>
  typeof error === "object" &&
  error !== null &&
  "retry_after" in error &&
  typeof error.retry_after === "number"
    ? error.retry_after * 1000
    : 0

/** Returns an error's text in a form that both databases can store, at most 2000 characters. */
const storableText = (error: unknown) =>
  errorText(error).replaceAll("\0", "").slice(0, 2000).toWellFormed()

const decodeOrigin = Schema.decodeUnknownOption(
  Schema.Struct({
    request_id: Schema.NullOr(Schema.String),
    trace: Schema.NullOr(
      Schema.Struct({
        trace_id: Schema.String,
        span_id: Schema.String,
        sampled: Schema.Boolean,
      }),
    ),
  }),
)

/** Returns the request and the trace that enqueued a job; nulls for a malformed message. */
const originOf = (message: unknown) =>
  Option.getOrElse(decodeOrigin(message), () => ({ request_id: null, trace: null }))

/** Annotates log lines and audit rows with the request that enqueued the job. */
function withOrigin<A>(self: Effect.Effect<A>, { claim }: Options): Effect.Effect<A> {
  const { request_id } = originOf(claim.message)
  return self.pipe(
    Effect.annotateLogs({ job_id: claim.id, job_name: claim.name, job_attempt: claim.attempt }),
    Effect.provideService(RequestInfo, {
      request_id,
      ip_address: null,
      user_id: null,
      caller: null,
    }),
  )
}
