import { aiKeys } from "../../../core/settings/providers/Ai.ts"
import type { Settings } from "../../../core/settings/Settings.ts"
import { ok, warning } from "../Finding.ts"

type Values = Settings["Service"]

/** Does not try the keys: every request costs. */
export const finding = ({ ENVIRONMENT, ai }: Values) => {
  const { default: defaultModel, fallbacks, providers, routes } = ai
  const names = providers.map(({ provider }) => provider)
  if (names.length === 0) {
    return warning(
      ok("AI", "none", "no key is set"),
      `the AI routes answer 503: set one of ${aiKeys.join(", ")}`,
    )
  }
  const base = ok(
    "AI",
    `${names.join(", ")}; ${defaultModel.provider}/${defaultModel.model} by default`,
    fallbacks.length === 0
      ? "the API keys that are set"
      : "the API keys that are set, AI_FALLBACK_PROVIDERS",
  )
  const withoutKey = [defaultModel, ...Object.values(routes)].find(
    ({ provider }) => !names.includes(provider),
  )
  if (withoutKey !== undefined) return warning(base, `${withoutKey.provider} has no key`)
  return names.includes("echo") && ENVIRONMENT !== "local"
    ? warning(
        base,
        "echo only repeats its input: set an API key, and remove echo from the settings",
      )
    : base
}
