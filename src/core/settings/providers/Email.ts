import { Record, type Redacted } from "effect"
import type { Sender } from "../../../domain/Email.ts"
import type * as Process from "../Process.ts"
import type * as Server from "../Server.ts"
import {
  emailAddress,
  line,
  oneOf,
  optional,
  type Problem,
  secret,
  url,
  type ValuesOf,
} from "../Variables.ts"

/** The providers with an HTTP API: the names of their variables, and the URL of the vendor. A provider is one row. */
const vendorVariables = {
  resend: {
    key: "RESEND_API_KEY",
    baseUrl: "RESEND_BASE_URL",
    vendorUrl: "https://api.resend.com",
  },
  sendgrid: {
    key: "SENDGRID_API_KEY",
    baseUrl: "SENDGRID_BASE_URL",
    vendorUrl: "https://api.sendgrid.com",
  },
} as const

const vendors = Record.keys(vendorVariables)

export const variables = () => ({
  EMAIL_PROVIDER: oneOf("EMAIL_PROVIDER", ["console", ...vendors], "console"),
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
  readonly provider: keyof typeof vendorVariables
  readonly apiKey: Redacted.Redacted
  /** Has no trailing slash. */
  readonly baseUrl: string
  readonly from: Sender
}

type EmailSettings = { readonly provider: "console" } | EmailProviderSettings

export const problems = (values: Partial<Values>): ReadonlyArray<Problem> => {
  const provider = values.EMAIL_PROVIDER
  if (provider === undefined) return []
  if (provider === "console") {
    return values.ENVIRONMENT === "production"
      ? [{ name: "EMAIL_PROVIDER", message: `must be ${vendors.join(" or ")} in production` }]
      : []
  }
  const needed = [vendorVariables[provider].key, "EMAIL_FROM_ADDRESS", "PUBLIC_URL"] as const
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
  const { baseUrl, key, vendorUrl } = vendorVariables[provider]
  const apiKey = values[key]
  const address = values.EMAIL_FROM_ADDRESS
  // Unreachable: `problems` rejects this.
  if (apiKey === null || address === null) return { provider: "console" }
  return {
    provider,
    apiKey,
    baseUrl: values[baseUrl] ?? vendorUrl,
    from: { address, name: values.EMAIL_FROM_NAME ?? values.PROJECT_NAME },
  }
}
