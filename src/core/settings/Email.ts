import type { Redacted } from "effect"
import type { Sender } from "../../domain/Email.ts"
import type * as Process from "./Process.ts"
import type * as Server from "./Server.ts"
import {
  emailAddress,
  line,
  oneOf,
  optional,
  type Problem,
  secret,
  url,
  type ValuesOf,
} from "./Variables.ts"

export const variables = () => ({
  EMAIL_PROVIDER: oneOf("EMAIL_PROVIDER", ["console", "resend", "sendgrid"], "console"),
  EMAIL_FROM_ADDRESS: emailAddress("EMAIL_FROM_ADDRESS"),
  EMAIL_FROM_NAME: optional(line("EMAIL_FROM_NAME")),
  ADMIN_EMAIL: emailAddress("ADMIN_EMAIL"),
  RESEND_API_KEY: secret("RESEND_API_KEY"),
  SENDGRID_API_KEY: secret("SENDGRID_API_KEY"),
  RESEND_BASE_URL: url("RESEND_BASE_URL"),
  SENDGRID_BASE_URL: url("SENDGRID_BASE_URL"),
})

type Values = ValuesOf<typeof variables> & Process.Values & Server.Values

/** The settings of an HTTP provider. */
export interface EmailProviderSettings {
  readonly provider: "resend" | "sendgrid"
  readonly apiKey: Redacted.Redacted
  /** Has no trailing slash. */
  readonly baseUrl: string
  readonly from: Sender
}

type EmailSettings = { readonly provider: "console" } | EmailProviderSettings

const keys = { resend: "RESEND_API_KEY", sendgrid: "SENDGRID_API_KEY" } as const

export const problems = (values: Partial<Values>): ReadonlyArray<Problem> => {
  const provider = values.EMAIL_PROVIDER
  if (provider === undefined) return []
  if (provider === "console") {
    return values.ENVIRONMENT === "production"
      ? [{ name: "EMAIL_PROVIDER", message: "must be resend or sendgrid in production" }]
      : []
  }
  const needed = [keys[provider], "EMAIL_FROM_ADDRESS", "PUBLIC_URL"] as const
  return needed
    .filter((name) => values[name] === null)
    .map((name) => ({ name, message: `is required for EMAIL_PROVIDER=${provider}` }))
}

export interface Derived {
  readonly email: EmailSettings
}

export const derive = (values: Values): Derived => ({ email: emailSettings(values) })

const emailSettings = (values: Values): EmailSettings => {
  const provider = values.EMAIL_PROVIDER
  if (provider === "console") return { provider }
  const apiKey = values[keys[provider]]
  const address = values.EMAIL_FROM_ADDRESS
  // Unreachable: `problems` rejects this.
  if (apiKey === null || address === null) return { provider: "console" }
  return {
    provider,
    apiKey,
    baseUrl:
      provider === "resend"
        ? (values.RESEND_BASE_URL ?? "https://api.resend.com")
        : (values.SENDGRID_BASE_URL ?? "https://api.sendgrid.com"),
    from: { address, name: values.EMAIL_FROM_NAME ?? values.PROJECT_NAME },
  }
}
