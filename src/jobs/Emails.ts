import { Effect } from "effect"
import { Emails } from "../business/emails/Emails.ts"
import { handler } from "../core/jobs/Execution.ts"
import {
  GenerateDailyReport,
  SendExportReadyEmail,
  SendNotificationEmail,
  SendPasswordResetEmail,
  SendWelcomeEmail,
} from "../domain/jobs/JobKinds.ts"

/**
 * Handlers of jobs that send e-mails. A job's id is the idempotency key of its e-mail: a provider that supports such
 * keys delivers it once, however often the job runs.
 */
export const handlers = Effect.flatMap(Emails, (emails) =>
  Effect.all([
    handler(SendWelcomeEmail, ({ user_id }, { id }) => emails.welcome(user_id, id)),
    handler(SendPasswordResetEmail, ({ user_id, ...reset }, { id }) =>
      emails.passwordReset(user_id, reset, id),
    ),
    handler(SendNotificationEmail, ({ user_id, ...message }, { id }) =>
      emails.notification(user_id, message, id),
    ),
    handler(SendExportReadyEmail, ({ user_id }, { id }) => emails.exportReady(user_id, id)),
    handler(GenerateDailyReport, (_, { id }) => emails.dailyReport(id)),
  ]),
)
