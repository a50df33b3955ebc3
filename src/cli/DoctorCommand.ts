import { Effect, Result } from "effect"
import { Command } from "effect/cli"
import { HttpClient } from "effect/http"
import { Database } from "../core/Database.ts"
import * as Migrations from "../core/Migrations.ts"
import { Settings } from "../core/Settings.ts"
import { CommandFailed, json, print, table } from "./Output.ts"

interface Finding {
  /** The tag, or what stands for it. */
  readonly part: string
  /** Which implementation is live. */
  readonly layer: string
  /** What chose it. */
  readonly why: string
  readonly status: "ok" | "warning" | "broken"
  /** What is wrong and what to do; empty when nothing is. */
  readonly advice: string
}

type Shape = Settings["Service"]

const finding = (
  part: string,
  layer: string,
  why: string,
  problem?: Partial<Finding>,
): Finding => ({
  part,
  layer,
  why,
  status: "ok",
  advice: "",
  ...problem,
})

const database = Effect.fnUntraced(function* (settings: Shape) {
  const layer = settings.database.dialect === "pg" ? "PostgreSQL" : "SQLite"
  const why = settings.DATABASE_URL === null ? "DATABASE_URL is not set" : "DATABASE_URL"
  const result = yield* Effect.result(
    Effect.gen(function* () {
      const { ping } = yield* Database
      yield* ping
      return yield* Migrations.status()
    }).pipe(Effect.provide(Database.layer)),
  )
  if (Result.isFailure(result)) {
    return finding("Database", layer, why, { status: "broken", advice: result.failure.message })
  }
  const pending = result.success.filter(({ applied_at }) => applied_at === null).length
  return pending === 0
    ? finding("Database", layer, why)
    : finding("Database", layer, why, {
        status: "warning",
        advice: `${pending} migrations are pending: plinth migrate (a start runs them too)`,
      })
})

const tokens = Effect.fnUntraced(function* ({ auth }: Shape) {
  const why = auth.jwksUrl === null ? "HS256 secrets" : "JWKS"
  if (auth.jwksUrl === null) return finding("Tokens", auth.provider, why)
  const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
  const reached = yield* client.get(auth.jwksUrl).pipe(
    Effect.flatMap((response) => response.json),
    Effect.timeout("3 seconds"),
    Effect.result,
  )
  return Result.isSuccess(reached)
    ? finding("Tokens", auth.provider, why)
    : finding("Tokens", auth.provider, why, {
        status: "broken",
        advice: "the provider's keys cannot be fetched from its JWKS address",
      })
})

const secret = (settings: Shape) =>
  settings.secretGenerated
    ? finding("SECRET_KEY", "generated", "SECRET_KEY is not set", {
        advice:
          "kept in DATA_DIR/secret_key: fine for local, every other environment needs its own",
      })
    : finding("SECRET_KEY", `${settings.secretKeys.length} keys`, "SECRET_KEY")

const metrics = ({ ENVIRONMENT, METRICS_TOKEN }: Shape) => {
  if (METRICS_TOKEN !== null) return finding("Metrics", "Prometheus, by token", "METRICS_TOKEN")
  return ENVIRONMENT === "production"
    ? finding("Metrics", "closed", "METRICS_TOKEN is not set", {
        status: "warning",
        advice: "production answers every scrape with 401 until METRICS_TOKEN is set",
      })
    : finding("Metrics", "Prometheus, open", "METRICS_TOKEN is not set")
}

const tracing = (settings: Shape) =>
  settings.OTEL_ENABLED
    ? finding("Tracing", settings.OTEL_EXPORTER, "OTEL_ENABLED")
    : finding("Tracing", "off", "OTEL_ENABLED is not set")

const proxies = ({ ENVIRONMENT, TRUSTED_PROXIES }: Shape) =>
  TRUSTED_PROXIES === 0 && ENVIRONMENT !== "local"
    ? finding("TRUSTED_PROXIES", "0", "default", {
        status: "warning",
        advice: "behind a load balancer every client has its address: set the number of proxies",
      })
    : finding("TRUSTED_PROXIES", String(TRUSTED_PROXIES), "TRUSTED_PROXIES")

const examine = Effect.gen(function* () {
  const settings = yield* Settings
  return [
    finding("Settings", settings.ENVIRONMENT, "every variable is valid"),
    secret(settings),
    yield* database(settings),
    yield* tokens(settings),
    metrics(settings),
    tracing(settings),
    proxies(settings),
  ]
})

export const command = Command.make("doctor", { json }, ({ json: asJson }) =>
  Effect.gen(function* () {
    const findings = yield* examine
    yield* print(asJson, findings, (all) =>
      table(
        ["part", "status", "layer", "why", "advice"],
        all.map(({ advice, layer, part, status, why }) => [part, status, layer, why, advice]),
      ),
    )
    const broken = findings.filter(({ status }) => status === "broken")
    if (broken.length > 0) {
      return yield* new CommandFailed({
        message: `broken: ${broken.map(({ part }) => part).join(", ")}`,
      })
    }
  }),
).pipe(
  Command.withDescription(
    "Which implementation is live for each part and why, and what is missing. Exits 1 when something required is broken",
  ),
)
