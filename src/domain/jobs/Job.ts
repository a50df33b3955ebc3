import { Duration, Schema, SchemaAST } from "effect"
import { Timestamp } from "../Fields.ts"

export const JobId = Schema.String.annotate({
  description: "The id of the job.",
  examples: ["0198c3d0-6f1e-7c3a-9b1d-2f4c5e6a7b8e"],
}).pipe(Schema.brand("JobId"))
export type JobId = typeof JobId.Type

/**
 * A `waiting` job can start now, a `delayed` one later: it was scheduled, or an attempt failed. The last three states
 * are final.
 */
export const JobState = Schema.Literals([
  "waiting",
  "delayed",
  "active",
  "completed",
  "failed",
  "cancelled",
])
export type JobState = typeof JobState.Type

/** A job as operators see it. `attempts` counts started attempts; `error` is that of the last one. */
export const Job = Schema.Struct({
  id: JobId,
  name: Schema.String.annotate({ examples: ["send_welcome_email"] }),
  state: JobState,
  payload: Schema.Unknown,
  attempts: Schema.Int,
  max_attempts: Schema.Int,
  /** 0 to 100, for jobs that report progress. */
  progress: Schema.NullOr(Schema.Finite),
  error: Schema.NullOr(Schema.String),
  result: Schema.Unknown,
  unique_key: Schema.NullOr(Schema.String),
  created_at: Timestamp,
  /** The earliest time at which it can start, or could have started. */
  run_at: Timestamp,
  /** The start of the last attempt. */
  started_at: Schema.NullOr(Timestamp),
  finished_at: Schema.NullOr(Timestamp),
}).annotate({
  identifier: "Job",
  examples: [
    {
      id: JobId.make("0198c3d0-6f1e-7c3a-9b1d-2f4c5e6a7b8e"),
      name: "send_welcome_email",
      state: "completed",
      payload: { user_id: "user_2abc" },
      attempts: 2,
      max_attempts: 12,
      progress: null,
      error: null,
      result: null,
      unique_key: null,
      created_at: Timestamp.make("2026-11-25T09:30:00.000Z"),
      run_at: Timestamp.make("2026-11-25T09:30:06.000Z"),
      started_at: Timestamp.make("2026-11-25T09:30:06.010Z"),
      finished_at: Timestamp.make("2026-11-25T09:30:06.420Z"),
    },
  ],
})
export type Job = typeof Job.Type

export const JobStats = Schema.Struct({
  waiting: Schema.Int,
  delayed: Schema.Int,
  active: Schema.Int,
  completed: Schema.Int,
  failed: Schema.Int,
  cancelled: Schema.Int,
}).annotate({ identifier: "JobStats" })
export type JobStats = typeof JobStats.Type

/** Limits and retries of a kind of job. */
export interface JobPolicy {
  /** The maximum number of attempts. */
  readonly attempts: number
  /** Delays between attempts: they double from `first` up to `max`, each shortened at random by up to half. */
  readonly backoff: { readonly first: Duration.Input; readonly max: Duration.Input }
  /** The time limit of one attempt; it is interrupted afterwards. */
  readonly timeout: Duration.Input
  /** The maximum number of concurrent jobs of this kind per process. */
  readonly concurrency: number
  /** The time for which an ended job is stored. */
  readonly retention: Duration.Input
}

const defaultPolicy: JobPolicy = {
  attempts: 3,
  backoff: { first: "1 second", max: "60 seconds" },
  timeout: "300 seconds",
  concurrency: 5,
  retention: "14 days",
}

declare module "effect/Schema" {
  namespace Annotations {
    interface Annotations {
      /** Overrides of the default job policy. */
      readonly job?: Partial<JobPolicy> | undefined
    }
  }
}

/**
 * A kind of job: a `Schema.Class` whose identifier is the name under which its jobs are stored. Payloads of the
 * previous version wait in the database while a new version starts, so new fields must be optional.
 */
export type JobType<Payload = unknown> = Schema.Codec<Payload, unknown> & {
  readonly identifier: string
}

const policyAnnotation = SchemaAST.resolveAt<Partial<JobPolicy>>("job")

export const policyOf = (type: JobType): JobPolicy => ({
  ...defaultPolicy,
  ...policyAnnotation(type.ast),
})

/**
 * The delay before the next attempt, in ms. `attempts` have been made; `randomFraction` is a random number from 0 to 1.
 */
export const backoffOf = (
  { backoff }: JobPolicy,
  { attempts, randomFraction }: { readonly attempts: number; readonly randomFraction: number },
): number => {
  const first = Duration.toMillis(Duration.fromInputUnsafe(backoff.first))
  const max = Duration.toMillis(Duration.fromInputUnsafe(backoff.max))
  return Math.round(Math.min(max, first * 2 ** (attempts - 1)) * (1 - randomFraction / 2))
}

/**
 * Tests whether another attempt may succeed: false only for an error whose `retryable` is false. Everything else is
 * retried, because the bug may be on the other side, and attempts are bounded.
 */
export const isRetryable = (error: unknown): boolean =>
  !(typeof error === "object" && error !== null && "retryable" in error) ||
  error.retryable !== false
