import type { Redacted } from "effect"
import type { Problem, Values } from "./Env.ts"

/**
 * Who signs the tokens we accept, beside ourselves. `jwksUrl` verifies RS256 and ES256, `secrets` HS256;
 * `issuer` and `audience` are checked when they are not null.
 */
export interface AuthSettings {
  readonly provider: "supabase" | "clerk" | "custom"
  readonly issuer: string | null
  readonly audience: string | null
  readonly jwksUrl: string | null
  readonly secrets: ReadonlyArray<Redacted.Redacted>
  /** The claim that seeds a new user's role, as a path. */
  readonly roleClaim: ReadonlyArray<string>
}

const providers = ["supabase", "clerk", "custom"] as const

const groups = {
  supabase: ["SUPABASE_PROJECT_URL", "SUPABASE_JWT_SECRET"],
  clerk: ["CLERK_ISSUER_URL", "CLERK_SECRET_KEY"],
  custom: ["OAUTH_JWKS_URL"],
} as const

/** The providers that have a variable set. */
const configured = (values: Partial<Values>) =>
  providers.filter((provider) => groups[provider].some((name) => values[name]))

const providerOf = (values: Partial<Values>) =>
  values.AUTH_PROVIDER ?? configured(values)[0] ?? "custom"

/** What is wrong between the variables of sign-in. One that could not be decoded is undefined: reported already. */
export const authProblems = (values: Partial<Values>): ReadonlyArray<Problem> => {
  if (values.AUTH_PROVIDER === undefined) return []
  const [chosen, ...others] = configured(values)
  if (values.AUTH_PROVIDER === null && others.length > 0) {
    return others.map((provider) => ({
      name: groups[provider].find((name) => values[name]) ?? "AUTH_PROVIDER",
      message: `belongs to ${provider}, but ${chosen} is set up too: choose with AUTH_PROVIDER`,
    }))
  }
  const problems: Array<Problem> = []
  const required = (name: keyof Values, message: string) => problems.push({ name, message })
  const provider = providerOf(values)
  if (provider === "supabase" && groups.supabase.every((name) => values[name] === null)) {
    required("SUPABASE_PROJECT_URL", "or SUPABASE_JWT_SECRET is required for Supabase")
  }
  if (provider === "clerk" && values.CLERK_ISSUER_URL === null) {
    required("CLERK_ISSUER_URL", "is required for Clerk")
  }
  // A Supabase project and Clerk name their issuer by their address.
  const named =
    provider === "clerk" || (provider === "supabase" && values.SUPABASE_PROJECT_URL !== null)
  if (values.ENVIRONMENT === "production" && values.OAUTH_ISSUER === null && !named) {
    required("OAUTH_ISSUER", "is required in production")
  }
  return problems
}

/** The preset of the provider, with what was set over it. `secretKeys` verify for `custom` without a JWKS. */
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
