import { Effect, Result } from "effect"
import { FetchHttpClient } from "effect/http"
import * as Jwks from "../../../core/identity/Jwks.ts"
import type { Settings } from "../../../core/settings/Settings.ts"
import { broken, ok } from "../Finding.ts"
import { probeLayer } from "./Probe.ts"

type Values = Settings["Service"]

export const examine = Effect.fnUntraced(function* (settings: Values) {
  const { jwksUrl, provider, secrets } = settings.auth
  const isDefault = jwksUrl === null && provider === "custom"
  const derivedFrom = isDefault ? "no provider is configured" : `the variables of ${provider}`
  const why = settings.AUTH_PROVIDER === null ? derivedFrom : "AUTH_PROVIDER"
  if (jwksUrl === null) return ok("Tokens", `${provider}, HS256`, why)
  const finding = ok(
    "Tokens",
    secrets.length === 0 ? `${provider}, JWKS` : `${provider}, JWKS and HS256`,
    why,
  )
  const probe = Effect.flatMap(Jwks.make(jwksUrl), ({ find }) => find("RS256", null))
  const keyResult = yield* Effect.result(
    Effect.scoped(Effect.provide(probe, probeLayer(settings, FetchHttpClient.layer))),
  )
  return Result.isSuccess(keyResult)
    ? finding
    : broken(finding, `cannot fetch keys from ${jwksUrl}: sign-in answers 503`)
})
