import { Context, Schema } from "effect"
import type { JobPolicy, JobType } from "./Job.ts"
import { UserId } from "../users/User.ts"

/** Retries for over an hour, because a provider may be down that long and nobody resends an e-mail by hand. */
const emailPolicy: Partial<JobPolicy> = {
  attempts: 12,
  backoff: { first: "5 seconds", max: "10 minutes" },
  timeout: "60 seconds",
}

export class SendWelcomeEmail extends Schema.Class<SendWelcomeEmail>("send_welcome_email")(
  { user_id: UserId },
  { job: emailPolicy },
) {}

/** `token` comes from the token issuer and is part of the link. */
export class SendPasswordResetEmail extends Schema.Class<SendPasswordResetEmail>(
  "send_password_reset_email",
)(
  {
    user_id: UserId,
    token: Schema.String,
    expires_in_minutes: Schema.Int.check(Schema.isGreaterThan(0)),
  },
  { job: emailPolicy },
) {}

/** `path` is relative to PUBLIC_URL. */
export class SendNotificationEmail extends Schema.Class<SendNotificationEmail>(
  "send_notification_email",
)(
  {
    user_id: UserId,
    title: Schema.String,
    body: Schema.String,
    path: Schema.NullOr(Schema.String),
  },
  { job: emailPolicy },
) {}

export class SendExportReadyEmail extends Schema.Class<SendExportReadyEmail>(
  "send_export_ready_email",
)({ user_id: UserId }, { job: emailPolicy }) {}

/** Sends a report about the last 24 hours to ADMIN_EMAIL. */
export class GenerateDailyReport extends Schema.Class<GenerateDailyReport>("generate_daily_report")(
  {},
  { job: emailPolicy },
) {}

export class ExportUserData extends Schema.Class<ExportUserData>("export_user_data")({
  user_id: UserId,
}) {}

export class CleanupOldData extends Schema.Class<CleanupOldData>("cleanup_old_data")({}) {}

export class SweepIdempotencyKeys extends Schema.Class<SweepIdempotencyKeys>(
  "sweep_idempotency_keys",
)({}, { job: { retention: "1 day" } }) {}

/** Settles AI calls whose process died before it settled them. */
export class SweepAiReservations extends Schema.Class<SweepAiReservations>("sweep_ai_reservations")(
  {},
  { job: { retention: "1 day" } },
) {}

/** All kinds of jobs. A kind that is not listed here cannot be enqueued, and no worker fetches its jobs. */
export const JobTypes = Context.Reference<ReadonlyArray<JobType>>("plinth/domain/JobTypes", {
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
