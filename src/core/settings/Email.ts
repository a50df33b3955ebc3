import type { Redacted } from "effect"
import type { Sender } from "../../domain/Email.ts"
import type { Problem, Values } from "./Env.ts"

/** The settings of an HTTP provider. */
export interface EmailProviderSettings {
  readonly provider: "resend" | "sendgrid"
  readonly apiKey: Redacted.Redacted
  /** Has no trailing slash. */
  readonly baseUrl: string
  readonly from: Sender
}

export type EmailSettings = { readonly provider: "console" } | EmailProviderSettings

const keys = { resend: "RESEND_API_KEY", sendgrid: "SENDGRID_API_KEY" } as const

/** Checks the rules between the e-mail variables. An undefined value failed to decode and is already reported. */
export const emailProblems = (values: Partial<Values>): ReadonlyArray<Problem> => {
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

export const emailSettings = (values: Values): EmailSettings => {
  const provider = values.EMAIL_PROVIDER
  if (provider === "console") return { provider }
  const apiKey = values[keys[provider]]
  const address = values.EMAIL_FROM_ADDRESS
  // Unreachable: `emailProblems` rejects this.
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
