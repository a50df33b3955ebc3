import { Context, type Effect } from "effect"
import type { EmailError, EmailMessage } from "../../domain/Email.ts"

/** Sends mail, by whatever EMAIL_PROVIDER names. */
export class Email extends Context.Service<
  Email,
  {
    /**
     * Done when the provider has taken it. `key`: the same for the same mail, however often it is sent again, as the
     * id of its job is; up to 256 printable ASCII characters. A provider that knows keys delivers once.
     */
    readonly send: (
      message: EmailMessage,
      key: string,
    ) => Effect.Effect<{ readonly message_id: string | null }, EmailError>
  }
>()("plinth/services/email/Email") {}
