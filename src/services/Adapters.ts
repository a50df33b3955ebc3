import { Effect, Layer } from "effect"
import type { HttpClient } from "effect/http"
import type { AiSettings } from "../core/settings/providers/Ai.ts"
import type { Metrics } from "../core/telemetry/Metrics.ts"
import { Settings } from "../core/settings/Settings.ts"
import { Ai } from "./ai/Ai.ts"
import * as Anthropic from "./ai/Anthropic.ts"
import * as Echo from "./ai/Echo.ts"
import * as Google from "./ai/Google.ts"
import * as OpenAi from "./ai/OpenAi.ts"
import * as Console from "./email/Console.ts"
import type { Email } from "./email/Email.ts"
import * as Resend from "./email/Resend.ts"
import * as SendGrid from "./email/SendGrid.ts"

type Needs = Settings | Metrics | HttpClient.HttpClient

/** The e-mail adapter that EMAIL_PROVIDER selects. */
export const email = Layer.unwrap(
  Effect.map(Settings, (settings): Layer.Layer<Email, never, Needs> => {
    switch (settings.email.provider) {
      case "console":
        return Console.layer
      case "resend":
        return Resend.layer(settings.email)
      case "sendgrid":
        return SendGrid.layer(settings.email)
    }
  }),
)

/** The configured AI providers. The SDKs of other providers are not loaded. */
export const ai = Layer.effect(
  Ai,
  Effect.gen(function* () {
    const settings = yield* Settings
    const providers = yield* Effect.forEach(settings.ai.providers, makeProvider, {
      concurrency: "unbounded",
    })
    return Ai.of({ providers: new Map(providers.map((provider) => [provider.name, provider])) })
  }),
)

const makeProvider = (settings: AiSettings["providers"][number]) => {
  switch (settings.provider) {
    case "openai":
      return OpenAi.make(settings)
    case "anthropic":
      return Anthropic.make(settings)
    case "google":
      return Google.make(settings)
    case "echo":
      return Effect.succeed(Echo.provider)
  }
}
