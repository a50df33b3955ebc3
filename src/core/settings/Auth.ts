import type { Redacted } from "effect"
import type { Problem, Values } from "./Env.ts"

/**
 * The external issuer whose tokens are accepted besides our own. Keys from `jwksUrl` verify RS256 and ES256, `secrets`
 * verify HS256. `issuer` and `audience` are checked if they are not null.
 */
export interface AuthSettings {
  readonly provider: "supabase" | "clerk" | "custom"
  readonly issuer: string | null
  readonly audience: string | null
  readonly jwksUrl: string | null
  readonly secrets: ReadonlyArray<Redacted.Redacted>
  /** The path of the claim that sets the role of a new user. */
  readonly roleClaim: ReadonlyArray<string>
}

const providers = ["supabase", "clerk", "custom"] as const

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

/** Checks the rules between the auth variables. An undefined value failed to decode and is already reported. */
export const authProblems = (values: Partial<Values>): ReadonlyArray<Problem> => {
  if (values.AUTH_PROVIDER === undefined) return []
  const [chosen, ...others] = configured(values)
  if (values.AUTH_PROVIDER === null && others.length > 0) {
    return others.map((provider) => ({
      name: groups[provider].find((name) => values[name]) ?? "AUTH_PROVIDER",
      message: `belongs to ${provider}, but ${chosen} is configured too: choose one with AUTH_PROVIDER`,
    }))
  }
  const problems: Array<Problem> = []
  const report = (name: keyof Values, message: string) => problems.push({ name, message })
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
  return problems
}

/** Returns the provider's preset with the configured overrides. `custom` without a JWKS verifies with `secretKeys`. */
export const authSettings = (
  values: Values,
  secretKeys: ReadonlyArray<Redacted.Redacted>,
): AuthSettings => {
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
        secrets: values.OAUTH_JWKS_URL === null ? secretKeys : [],
        roleClaim: roleClaim("role"),
      }
  }
}
