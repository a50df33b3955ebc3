import { Effect, Layer } from "effect"
import type { HttpClient } from "effect/http"
import type { Metrics } from "../core/Metrics.ts"
import { Settings } from "../core/Settings.ts"
import * as Console from "./email/Console.ts"
import type { Email } from "./email/Email.ts"
import * as Resend from "./email/Resend.ts"
import * as SendGrid from "./email/SendGrid.ts"

type Needs = Settings | Metrics | HttpClient.HttpClient

/** Chosen by EMAIL_PROVIDER. */
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
