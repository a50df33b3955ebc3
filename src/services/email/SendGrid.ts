import { DateTime, Effect, Layer, Option, Schema } from "effect"
import { Headers } from "effect/http"
import type { EmailProviderSettings } from "../../core/EmailSettings.ts"
import { Email } from "./Email.ts"
import * as Provider from "./Provider.ts"

/**
 * https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send. It knows no idempotency keys: a mail that got
 * no answer is not sent again here, and when its job does, it may arrive twice.
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
              // Plain text has to come first.
              content: [
                { type: "text/plain", value: text },
                { type: "text/html", value: html },
              ],
              // Shown in its activity feed, so that a mail can be found by its job.
              custom_args: { key },
              tracking_settings: untracked,
            },
          ).pipe(
            Effect.flatMap(taken),
            policy.once("send"),
            Effect.mapError(Provider.toEmailError),
          ),
      })
    }),
  )

/** Links stay ours, whatever the account has set. */
const untracked = {
  click_tracking: { enable: false, enable_text: false },
  open_tracking: { enable: false },
  subscription_tracking: { enable: false },
}

const Refused = Schema.fromJsonString(
  Schema.Struct({
    errors: Schema.NonEmptyArray(Schema.Struct({ field: Schema.NullOr(Schema.String) })),
  }),
)

const taken = (answer: Provider.Answer) => {
  const { headers, status } = answer.response
  if (status === 202) return Effect.succeed({ message_id: headers["x-message-id"] ?? null })
  if (status >= 200 && status < 300) return Effect.fail(Provider.unusable(answer))
  const refusal = Schema.decodeOption(Refused)(answer.text)
  const code = Option.isSome(refusal) ? refusal.value.errors[0].field : null
  return Provider.refused(answer, code, headers["retry-after"] ?? resetOf(headers))
}

/** It tells when its limit ends in Unix seconds, in a header of its own. */
const resetOf = (headers: Headers.Headers) => {
  const reset = headers["x-ratelimit-reset"]
  if (reset === undefined || !/^\d{1,11}$/.test(reset)) return undefined
  return Headers.formatRetryAfter(
    Headers.retryAfterDateTime(DateTime.makeUnsafe(Number(reset) * 1000)),
  )
}
