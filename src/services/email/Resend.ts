import { Effect, Layer, Option, Schema } from "effect"
import type { EmailProviderSettings } from "../../core/EmailSettings.ts"
import { mailboxOf } from "../../domain/Email.ts"
import { Email } from "./Email.ts"
import * as Provider from "./Provider.ts"

/**
 * https://resend.com/docs/api-reference/emails/send-email. It keeps an idempotency key for 24 hours, so a mail may be
 * sent again until there is an answer.
 */
export const layer = (settings: EmailProviderSettings) =>
  Layer.effect(
    Email,
    Effect.gen(function* () {
      const { policy, post } = yield* Provider.make(settings)
      const from = mailboxOf(settings.from)

      return Email.of({
        send: ({ html, subject, text, to }, key) =>
          post("/emails", { "Idempotency-Key": key }, { from, to: [to], subject, html, text }).pipe(
            Effect.flatMap(taken),
            policy.repeatable("send"),
            Effect.mapError(Provider.toEmailError),
          ),
      })
    }),
  )

const Taken = Schema.fromJsonString(Schema.Struct({ id: Schema.NonEmptyString }))
const Refused = Schema.fromJsonString(Schema.Struct({ name: Schema.String }))

const taken = (answer: Provider.Answer) => {
  const { headers, status } = answer.response
  if (status >= 200 && status < 300) {
    return Option.match(Schema.decodeOption(Taken)(answer.text), {
      onSome: ({ id }) => Effect.succeed({ message_id: id }),
      onNone: () => Effect.fail(Provider.unusable(answer)),
    })
  }
  const refusal = Schema.decodeOption(Refused)(answer.text)
  const code = Option.isSome(refusal) ? refusal.value.name : null
  return status === 409 && code === "concurrent_idempotent_requests"
    ? Effect.fail(Provider.busy(answer, code))
    : Provider.refused(answer, code, headers["retry-after"])
}
