import * as Period from "../../domain/Period.ts"
import { Context, Effect, Layer, Option, Schedule, Schema } from "effect"
import { type Enqueued, JobQueue } from "../../core/jobs/Queue.ts"
import { Settings } from "../../core/settings/Settings.ts"
import {
  EmailAddress,
  type EmailContent,
  type EmailError,
  EmailNotConfiguredError,
  EmailRejectedError,
} from "../../domain/Email.ts"
import type { NotFoundError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { ago } from "../../domain/Fields.ts"
import type { JobType } from "../../domain/jobs/Job.ts"
import type { User, UserId } from "../../domain/users/User.ts"
import { Email } from "../../services/email/Email.ts"
import { letterheadOf } from "../../services/email/templates/Base.ts"
import { dailyReport } from "../../services/email/templates/DailyReport.ts"
import { exportReady } from "../../services/email/templates/ExportReady.ts"
import { notification } from "../../services/email/templates/Notification.ts"
import { passwordReset } from "../../services/email/templates/PasswordReset.ts"
import { welcome } from "../../services/email/templates/Welcome.ts"
import { DailyReportRepo } from "./DailyReportRepo.ts"
import { Usage } from "../usage/Usage.ts"
import { Users } from "../users/Users.ts"

/** The result of sending an e-mail. Users without an address and deactivated users get none. */
type SendResult =
  | { readonly message_id: string | null }
  | { readonly skipped: "no_address" | "deactivated" }

type Failure = EmailError | NotFoundError | ServiceUnavailableError

/** Pages that e-mails link to, under PUBLIC_URL. */
const pages = {
  passwordReset: (token: string) => `/reset-password?token=${encodeURIComponent(token)}`,
  export: "/account/export",
}

/** Sends the product's e-mails. `key` is the idempotency key: the id of the job, so equal for all its attempts. */
export class Emails extends Context.Service<
  Emails,
  {
    /** Enqueues the e-mail as a job. Enqueues nothing while a job with the same unique key waits or runs. */
    readonly enqueue: <Payload extends { readonly user_id: UserId }>(
      type: JobType<Payload>,
      payload: Payload,
      uniqueKey: string | undefined,
    ) => Effect.Effect<Enqueued, NotFoundError | ServiceUnavailableError>
    readonly welcome: (user: UserId, key: string) => Effect.Effect<SendResult, Failure>
    readonly passwordReset: (
      user: UserId,
      reset: { readonly token: string; readonly expires_in_minutes: number },
      key: string,
    ) => Effect.Effect<SendResult, Failure>
    /** `path` is the page of the notification's subject, under PUBLIC_URL. */
    readonly notification: (
      user: UserId,
      message: { readonly title: string; readonly body: string; readonly path: string | null },
      key: string,
    ) => Effect.Effect<SendResult, Failure>
    readonly exportReady: (user: UserId, key: string) => Effect.Effect<SendResult, Failure>
    /** Sends counts of the last 24 hours to ADMIN_EMAIL. */
    readonly dailyReport: (key: string) => Effect.Effect<SendResult, Failure>
  }
>()("plinth/business/emails/Emails") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const settings = yield* Settings
      const users = yield* Users
      const report = yield* DailyReportRepo
      const { enqueue, stats } = yield* JobQueue
      const email = yield* Email
      const usage = yield* Usage
      const letterhead = letterheadOf(settings)

      const send = (to: EmailAddress, content: EmailContent, key: string) =>
        email.send({ to, ...content }, key).pipe(
          // An earlier attempt sent the e-mail. Its content, such as a number or a name, has changed since then.
          Effect.catchTag("EmailRejectedError", (error) =>
            error.reason === "key_reused"
              ? Effect.succeed({ message_id: null })
              : Effect.fail(error),
          ),
        )

      const sendTo = Effect.fnUntraced(function* (
        id: UserId,
        kind: string,
        key: string,
        contentFor: (user: User) => EmailContent,
      ): Effect.fn.Return<SendResult, Failure> {
        const user = yield* users.get(id)
        if (!user.is_active) return { skipped: "deactivated" }
        if (user.email === null) return { skipped: "no_address" }
        const to = Option.getOrUndefined(addressOf(user.email))
        if (to === undefined) return yield* new EmailRejectedError({ reason: "invalid" })
        const sent = yield* send(to, contentFor(user), key)
        yield* meterSent(id, kind, key)
        return sent
      })

      /** Never fails: a failed job would send the e-mail again. */
      const meterSent = (user_id: UserId, kind: string, key: string) =>
        usage
          .recordOne({ source: `email:${key}`, user_id, metric: "email_sent", dimension: kind })
          .pipe(
            Effect.retry({ times: 5, schedule: Schedule.exponential("200 millis") }),
            Effect.catch((error) => Effect.logError("sent e-mail not metered", error)),
          )

      return Emails.of({
        enqueue: (type, payload, uniqueKey) =>
          Effect.andThen(
            users.get(payload.user_id),
            enqueue(type, payload, uniqueKey === undefined ? {} : { uniqueKey }),
          ),
        welcome: Effect.fn("Emails.welcome")((user, key) =>
          sendTo(user, "welcome", key, ({ full_name }) => welcome(letterhead, { full_name })),
        ),
        passwordReset: Effect.fn("Emails.passwordReset")(
          (user, { expires_in_minutes, token }, key) =>
            sendTo(user, "password_reset", key, () =>
              passwordReset(letterhead, { path: pages.passwordReset(token), expires_in_minutes }),
            ),
        ),
        notification: Effect.fn("Emails.notification")((user, { body, path, title }, key) =>
          sendTo(user, "notification", key, () => notification(letterhead, { title, body, path })),
        ),
        exportReady: Effect.fn("Emails.exportReady")((user, key) =>
          sendTo(user, "export_ready", key, () => exportReady(letterhead, { path: pages.export })),
        ),
        dailyReport: Effect.fn("Emails.dailyReport")(function* (key) {
          const to = settings.ADMIN_EMAIL
          if (to === null) return yield* new EmailNotConfiguredError({ reason: "recipient" })
          const since = yield* ago("24 hours")
          const { failed, waiting } = yield* stats
          const numbers = yield* report.since(since)
          const content = dailyReport(letterhead, {
            ...numbers,
            date: Period.dayOf(since),
            jobs: { failed, waiting },
          })
          return yield* send(to, content, key)
        }),
      })
    }),
  )
}

const addressOf = Schema.decodeUnknownOption(EmailAddress)
