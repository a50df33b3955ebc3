import type { Settings } from "../../../core/settings/Settings.ts"
import { ok, warning } from "../Finding.ts"

type Values = Settings["Service"]

export const writesEmails = ({ ENVIRONMENT, email }: Values) =>
  ENVIRONMENT === "local" && email.provider === "console"

/** Does not try the key of the provider: some keys may only send. */
export const finding = (settings: Values) => {
  const { provider } = settings.email
  if (provider !== "console") return ok("Email", provider, "EMAIL_PROVIDER")
  return writesEmails(settings)
    ? ok("Email", "console: files in DATA_DIR", "ENVIRONMENT, EMAIL_PROVIDER")
    : warning(
        ok("Email", "console", "EMAIL_PROVIDER"),
        "no e-mail is sent: set EMAIL_PROVIDER to resend or sendgrid",
      )
}
