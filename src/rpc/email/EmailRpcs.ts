import { Effect, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { enveloped } from "../../http/Envelope.ts"
import * as Bounds from "../../domain/Bounds.ts"
import { NotFoundError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { text, verbatim } from "../../domain/Fields.ts"
import { JobId } from "../../domain/jobs/Job.ts"
import { method, userId } from "../Method.ts"

/** While an e-mail of the same kind and key is waiting or being sent, no other is enqueued. */
const unique_key = Schema.optionalKey(
  verbatim({ max: Bounds.maxLength.uniqueKey, example: "invoice-2026-11" }),
)

/** The inputs of the methods. */
export const input = {
  welcome: Schema.Struct({ user_id: userId, unique_key }),
  passwordReset: Schema.Struct({
    user_id: userId,
    token: verbatim({ max: 4096, example: "3f1e6a5c2b7d" }),
    expires_in_minutes: Schema.Int.check(Schema.isBetween(Bounds.resetLinkMinutes)),
    unique_key,
  }),
  notify: Schema.Struct({
    user_id: userId,
    title: text({ max: Bounds.maxLength.emailSubject, example: "Your report is ready" }).input,
    body: text({ max: 10_000, example: "It has all of November." }).input,
    path: Schema.NullOr(
      Schema.String.check(
        Schema.isPattern(/^\/(?![/\\])[\x21-\x7e]{0,2000}$/, {
          message: "must be a path under PUBLIC_URL",
        }),
      ),
    ).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null))),
    unique_key,
  }),
}

const enqueued = {
  success: Schema.Struct({ job_id: JobId, created: Schema.Boolean }),
  error: [enveloped(NotFoundError), enveloped(ServiceUnavailableError)],
} as const

/** E-mails to a user. Each is a job, so an enqueued e-mail is sent even if this process crashes. */
export class EmailRpcs extends RpcGroup.make(
  method("email.welcome", { input: input.welcome, ...enqueued }),
  /** The link opens a page of the product with `token`, which the calling service has issued and later verifies. */
  method("email.passwordReset", { input: input.passwordReset, ...enqueued }),
  /** `path` is the target of the link, under PUBLIC_URL. */
  method("email.notify", { input: input.notify, ...enqueued }),
) {}
