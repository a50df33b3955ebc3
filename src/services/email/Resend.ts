import { Effect, Layer, Option, Schema } from "effect"
import type { EmailProviderSettings } from "../../core/settings/providers/Email.ts"
import { mailboxOf } from "../../domain/Email.ts"
import type * as Attempt from "../Attempt.ts"
import { Email } from "./Email.ts"
import * as Provider from "./Provider.ts"

/**
 * https://resend.com/docs/api-reference/emails/send-email. Resend remembers an idempotency key for 24 hours, so an
 * unanswered request can be retried.
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
            Effect.flatMap(messageIdOf),
            policy.repeatable("send"),
            Effect.mapError(Provider.toEmailError),
          ),
      })
    }),
  )

const Accepted = Schema.fromJsonString(Schema.Struct({ id: Schema.NonEmptyString }))
const Rejection = Schema.fromJsonString(Schema.Struct({ name: Schema.String }))

const messageIdOf = (answer: Attempt.Answer) => {
  const { headers, status } = answer.response
  if (status >= 200 && status < 300) {
    return Option.match(Schema.decodeOption(Accepted)(answer.text), {
      onSome: ({ id }) => Effect.succeed({ message_id: id }),
      onNone: () => Effect.fail(Provider.unusable(answer)),
    })
  }
  const rejection = Schema.decodeOption(Rejection)(answer.text)
  const code = Option.isSome(rejection) ? rejection.value.name : null
  return status === 409 && code === "concurrent_idempotent_requests"
    ? Effect.fail(Provider.inProgress(answer, code))
    : Provider.rejected(answer, code, headers["retry-after"])
}
