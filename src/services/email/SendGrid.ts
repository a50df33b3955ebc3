import { DateTime, Effect, Layer, Option, Schema } from "effect"
import { Headers } from "effect/http"
import type { EmailProviderSettings } from "../../core/settings/providers/Email.ts"
import type * as Attempt from "../Attempt.ts"
import { Email } from "./Email.ts"
import * as Provider from "./Provider.ts"

/**
 * https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send. SendGrid has no
 * idempotency keys: an unanswered request is not retried here. If the job retries it, the e-mail may arrive twice.
 */
export const layer = (settings: EmailProviderSettings) =>
  Layer.effect(
    Email,
    Effect.gen(function* () {
      const { policy, post } = yield* Provider.make(settings)
      const from = { email: settings.from.address, name: settings.from.name }

      return Email.of({
        send: ({ html, subject, text, to }, key) =>
          post(
            "/v3/mail/send",
            {},
            {
              personalizations: [{ to: [{ email: to }] }],
              from,
              subject,
              // Plain text must come first.
              content: [
                { type: "text/plain", value: text },
                { type: "text/html", value: html },
              ],
              // Shown in the activity feed, so that an e-mail can be found by its job.
              custom_args: { key },
              tracking_settings: trackingDisabled,
            },
          ).pipe(
            Effect.flatMap(messageIdOf),
            policy.once("send"),
            Effect.mapError(Provider.toEmailError),
          ),
      })
    }),
  )

/** Disables tracking, which rewrites links, whatever the account settings are. */
const trackingDisabled = {
  click_tracking: { enable: false, enable_text: false },
  open_tracking: { enable: false },
  subscription_tracking: { enable: false },
}

const Rejection = Schema.fromJsonString(
  Schema.Struct({
    errors: Schema.NonEmptyArray(Schema.Struct({ field: Schema.NullOr(Schema.String) })),
  }),
)

const messageIdOf = (answer: Attempt.Answer) => {
  const { headers, status } = answer.response
  if (status === 202) return Effect.succeed({ message_id: headers["x-message-id"] ?? null })
  if (status >= 200 && status < 300) return Effect.fail(Provider.unusable(answer))
  const rejection = Schema.decodeOption(Rejection)(answer.text)
  const code = Option.isSome(rejection) ? rejection.value.errors[0].field : null
  return Provider.rejected(answer, code, headers["retry-after"] ?? resetOf(headers))
}

/** Returns `Retry-After` from SendGrid's own header, which has the end of the limit in Unix seconds. */
const resetOf = (headers: Headers.Headers) => {
  const reset = headers["x-ratelimit-reset"]
  if (reset === undefined || !/^\d{1,11}$/.test(reset)) return undefined
  return Headers.formatRetryAfter(
    Headers.retryAfterDateTime(DateTime.makeUnsafe(Number(reset) * 1000)),
  )
}
