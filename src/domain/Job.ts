import { Context, Duration, Schema, SchemaAST } from "effect"
import { Timestamp } from "./Fields.ts"
import { UserId } from "./User.ts"

export const JobId = Schema.String.annotate({
  examples: ["0198c3d0-6f1e-7c3a-9b1d-2f4c5e6a7b8e"],
}).pipe(Schema.brand("JobId"))
export type JobId = typeof JobId.Type

/** `waiting` may start now, `delayed` later: first or after a failed attempt. The last three are final. */
export const JobState = Schema.Literals([
  "waiting",
  "delayed",
  "active",
  "completed",
  "failed",
  "cancelled",
])
export type JobState = typeof JobState.Type

/** A job as operators see it. `attempts` counts those that have begun; `error` is of the last one. */
export const Job = Schema.Struct({
  id: JobId,
  name: Schema.String.annotate({ examples: ["send_welcome_email"] }),
  state: JobState,
  payload: Schema.Unknown,
  attempts: Schema.Int,
  max_attempts: Schema.Int,
  /** 0 to 100, from those that tell. */
  progress: Schema.NullOr(Schema.Finite),
  error: Schema.NullOr(Schema.String),
  result: Schema.Unknown,
  unique_key: Schema.NullOr(Schema.String),
  created_at: Timestamp,
  /** When it may start, or might have. */
  run_at: Timestamp,
  /** Of the last attempt. */
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

/** How a kind of job is run. */
export interface JobPolicy {
  /** How often it is begun at most. */
  readonly attempts: number
  /** Waits between attempts double from `first` up to `most`, each shortened by up to a half by chance. */
  readonly backoff: { readonly first: Duration.Input; readonly max: Duration.Input }
  /** For one attempt, which is interrupted then. */
  readonly timeout: Duration.Input
  /** At once in one process. */
  readonly concurrency: number
  /** How long it is kept after its end. */
  readonly retention: Duration.Input
}

const usual: JobPolicy = {
  attempts: 3,
  backoff: { first: "1 second", max: "60 seconds" },
  timeout: "300 seconds",
  concurrency: 5,
  retention: "14 days",
}

declare module "effect/Schema" {
  namespace Annotations {
    interface Annotations {
      /** What a job's class says differently from the usual policy. */
      readonly job?: Partial<JobPolicy> | undefined
    }
  }
}

/**
 * A kind of job: a `Schema.Class` whose identifier is the name under which its payloads are kept. Old payloads wait in
 * the database while a new version starts, so fields are added as optional ones.
 */
export type JobType<Payload = unknown> = Schema.Codec<Payload, unknown> & {
  readonly identifier: string
}

const policyAnnotation = SchemaAST.resolveAt<Partial<JobPolicy>>("job")

export const policyOf = (type: JobType): JobPolicy => ({ ...usual, ...policyAnnotation(type.ast) })

/** How long to wait after so many attempts, in ms; `chance` is from 0 to 1. */
export const backoffOf = (
  { backoff }: JobPolicy,
  { attempts, chance }: { readonly attempts: number; readonly chance: number },
): number => {
  const first = Duration.toMillis(Duration.fromInputUnsafe(backoff.first))
  const most = Duration.toMillis(Duration.fromInputUnsafe(backoff.max))
  return Math.round(Math.min(most, first * 2 ** (attempts - 1)) * (1 - chance / 2))
}

/**
 * Whether another attempt may help, which the type of an error tells by its `retryable`. What does not say is tried
 * again: a bug may be the other side's, and attempts are bounded.
 */
export const isRetryable = (error: unknown): boolean =>
  !(typeof error === "object" && error !== null && "retryable" in error) ||
  error.retryable !== false

/** A mail that nobody sends again by hand: for an hour and more, a provider may be away. */
const email: Partial<JobPolicy> = {
  attempts: 12,
  backoff: { first: "5 seconds", max: "10 minutes" },
  timeout: "60 seconds",
}

export class SendWelcomeEmail extends Schema.Class<SendWelcomeEmail>("send_welcome_email")(
  { user_id: UserId },
  { job: email },
) {}

/** `token` is what the issuer of tokens made for it; it is part of the link. */
export class SendPasswordResetEmail extends Schema.Class<SendPasswordResetEmail>(
  "send_password_reset_email",
)(
  {
    user_id: UserId,
    token: Schema.String,
    expires_in_minutes: Schema.Int.check(Schema.isGreaterThan(0)),
  },
  { job: email },
) {}

/** `path` is one under PUBLIC_URL. */
export class SendNotificationEmail extends Schema.Class<SendNotificationEmail>(
  "send_notification_email",
)(
  {
    user_id: UserId,
    title: Schema.String,
    body: Schema.String,
    path: Schema.NullOr(Schema.String),
  },
  { job: email },
) {}

export class SendExportReadyEmail extends Schema.Class<SendExportReadyEmail>(
  "send_export_ready_email",
)({ user_id: UserId }, { job: email }) {}

/** For ADMIN_EMAIL, about the last 24 hours. */
export class GenerateDailyReport extends Schema.Class<GenerateDailyReport>("generate_daily_report")(
  {},
  { job: email },
) {}

export class ExportUserData extends Schema.Class<ExportUserData>("export_user_data")({
  user_id: UserId,
}) {}

export class CleanupOldData extends Schema.Class<CleanupOldData>("cleanup_old_data")({}) {}

export class SweepIdempotencyKeys extends Schema.Class<SweepIdempotencyKeys>(
  "sweep_idempotency_keys",
)({}, { job: { retention: "1 day" } }) {}

/** Calls of models whose process died before they were settled. */
export class SweepAiReservations extends Schema.Class<SweepAiReservations>("sweep_ai_reservations")(
  {},
  { job: { retention: "1 day" } },
) {}

/** Every kind there is. One that is not here cannot be enqueued, and nothing looks for its jobs. */
export const JobTypes = Context.Reference<ReadonlyArray<JobType>>("plinth/domain/Job/JobTypes", {
  defaultValue: () => [
    SendWelcomeEmail,
    SendPasswordResetEmail,
    SendNotificationEmail,
    SendExportReadyEmail,
    GenerateDailyReport,
    ExportUserData,
    CleanupOldData,
    SweepIdempotencyKeys,
    SweepAiReservations,
  ],
})
