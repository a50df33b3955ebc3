import { Context, type Effect } from "effect"
import type { EmailError, EmailMessage } from "../../domain/Email.ts"

/** Sends e-mails through the provider that EMAIL_PROVIDER names. */
export class Email extends Context.Service<
  Email,
  {
    /**
     * Succeeds when the provider has accepted the e-mail. `key` is an idempotency key, the same for every attempt to
     * send the same e-mail, such as the id of its job: up to 256 printable ASCII characters. A provider that supports
     * keys delivers the e-mail once.
     */
    readonly send: (
      message: EmailMessage,
      key: string,
    ) => Effect.Effect<{ readonly message_id: string | null }, EmailError>
  }
>()("plinth/services/email/Email") {}
