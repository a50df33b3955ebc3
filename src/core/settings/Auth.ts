import type { Redacted } from "effect"
import type * as Process from "./Process.ts"
import type * as Secrets from "./Secrets.ts"
import {
  checked,
  line,
  literal,
  optional,
  type Problem,
  secret,
  url,
  type ValuesOf,
  weakSecrets,
} from "./Variables.ts"

const providers = ["supabase", "clerk", "custom"] as const

export const variables = () => ({
  AUTH_PROVIDER: optional(literal("AUTH_PROVIDER", providers)),
  SUPABASE_PROJECT_URL: url("SUPABASE_PROJECT_URL"),
  SUPABASE_JWT_SECRET: secret("SUPABASE_JWT_SECRET"),
  CLERK_ISSUER_URL: url("CLERK_ISSUER_URL"),
  CLERK_SECRET_KEY: secret("CLERK_SECRET_KEY"),
  OAUTH_JWKS_URL: url("OAUTH_JWKS_URL"),
  OAUTH_AUDIENCE: optional(line("OAUTH_AUDIENCE")),
  OAUTH_ISSUER: optional(line("OAUTH_ISSUER")),
  AUTH_ROLE_CLAIM: claimPath("AUTH_ROLE_CLAIM"),
})

type Values = ValuesOf<typeof variables> & Process.Values

const claimPath = (name: string) =>
  optional(
    checked(name, "must be names joined by dots, like app_metadata.role", (value) =>
      /^[^\s.\p{Cc}]+(?:\.[^\s.\p{Cc}]+)*$/u.test(value),
    ),
  )

/**
 * The external issuer whose tokens are accepted besides our own. Keys from `jwksUrl` verify RS256 and ES256, `secrets`
 * verify HS256. `issuer` and `audience` are checked if they are not null.
 */
interface AuthSettings {
  readonly provider: (typeof providers)[number]
  readonly issuer: string | null
  readonly audience: string | null
  readonly jwksUrl: string | null
  readonly secrets: ReadonlyArray<Redacted.Redacted>
  /** The path of the claim that sets the role of a new user. */
  readonly roleClaim: ReadonlyArray<string>
}

const groups = {
  supabase: ["SUPABASE_PROJECT_URL", "SUPABASE_JWT_SECRET"],
  clerk: ["CLERK_ISSUER_URL", "CLERK_SECRET_KEY"],
  custom: ["OAUTH_JWKS_URL"],
} as const

/** Returns the providers with at least one variable set. */
const configured = (values: Partial<Values>) =>
  providers.filter((provider) => groups[provider].some((name) => values[name]))

const providerOf = (values: Partial<Values>) =>
  values.AUTH_PROVIDER ?? configured(values)[0] ?? "custom"

/** Supabase supports only a single secret. */
export const weak = ({ ENVIRONMENT, SUPABASE_JWT_SECRET: key }: Partial<Values>) =>
  weakSecrets("SUPABASE_JWT_SECRET", key && [key], 32, ENVIRONMENT)

export const problems = (values: Partial<Values>): ReadonlyArray<Problem> => {
  if (values.AUTH_PROVIDER === undefined) return []
  const [chosen, ...others] = configured(values)
  if (values.AUTH_PROVIDER === null && others.length > 0) {
    return others.map((provider) => ({
      name: groups[provider].find((name) => values[name]) ?? "AUTH_PROVIDER",
      message: `belongs to ${provider}, but ${chosen} is configured too: choose one with AUTH_PROVIDER`,
    }))
  }
  const found: Array<Problem> = []
  const report = (name: keyof Values, message: string) => found.push({ name, message })
  const provider = providerOf(values)
  if (provider === "supabase" && groups.supabase.every((name) => values[name] === null)) {
    report("SUPABASE_PROJECT_URL", "or SUPABASE_JWT_SECRET is required for Supabase")
  }
  if (provider === "clerk" && values.CLERK_ISSUER_URL === null) {
    report("CLERK_ISSUER_URL", "is required for Clerk")
  }
  // The issuers of a Supabase project and of Clerk follow from their URLs.
  const hasPresetIssuer =
    provider === "clerk" || (provider === "supabase" && values.SUPABASE_PROJECT_URL !== null)
  if (values.ENVIRONMENT === "production" && values.OAUTH_ISSUER === null && !hasPresetIssuer) {
    report("OAUTH_ISSUER", "is required in production")
  }
  return found
}

export interface Derived {
  readonly auth: AuthSettings
}

export const derive = (values: Values & Secrets.Derived): Derived => ({
  auth: authSettings(values),
})

/** Returns the provider's preset with the configured overrides. `custom` without a JWKS verifies with `secretKeys`. */
const authSettings = (values: Values & Secrets.Derived): AuthSettings => {
  const provider = providerOf(values)
  const audience = values.OAUTH_AUDIENCE
  const roleClaim = (preset: string) => (values.AUTH_ROLE_CLAIM ?? preset).split(".")
  switch (provider) {
    case "supabase": {
      const base = values.SUPABASE_PROJECT_URL && `${values.SUPABASE_PROJECT_URL}/auth/v1`
      return {
        provider,
        issuer: values.OAUTH_ISSUER ?? base,
        audience,
        jwksUrl: base && `${base}/.well-known/jwks.json`,
        secrets: values.SUPABASE_JWT_SECRET === null ? [] : [values.SUPABASE_JWT_SECRET],
        roleClaim: roleClaim("app_metadata.role"),
      }
    }
    case "clerk":
      return {
        provider,
        issuer: values.OAUTH_ISSUER ?? values.CLERK_ISSUER_URL,
        audience,
        jwksUrl: `${values.CLERK_ISSUER_URL}/.well-known/jwks.json`,
        secrets: [],
        roleClaim: roleClaim("metadata.role"),
      }
    case "custom":
      return {
        provider,
        issuer: values.OAUTH_ISSUER,
        audience,
        jwksUrl: values.OAUTH_JWKS_URL,
        secrets: values.OAUTH_JWKS_URL === null ? values.secretKeys : [],
        roleClaim: roleClaim("role"),
      }
  }
}
