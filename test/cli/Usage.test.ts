import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/api/Api.ts"
import { Metrics } from "../../src/core/telemetry/Metrics.ts"
import { Settings } from "../../src/core/settings/Settings.ts"
import { Tokens } from "../../src/core/identity/Tokens.ts"
import {
  canary,
  jsonOf,
  type Outcome,
  processTimeoutMs,
  plinth,
} from "../fixtures/processes/Plinth.ts"

const tokens = Tokens.layer.pipe(
  Layer.provide([Metrics.layer, FetchHttpClient.layer]),
  Layer.provide(Settings.layerFrom({ SECRET_KEY: canary })),
)

/** Runs all command lines, two at a time. */
const each = (lines: ReadonlyArray<string>, environment = {}) =>
  Effect.forEach(lines, (line) => plinth(environment, ...line.split(" ")), { concurrency: 2 })

const firstLine = ({ stderr }: Outcome) => stderr.split("\n")[0]

describe("plinth", () => {
  it.effect(
    "prints requested help on stdout, and help after an error on stderr",
    () =>
      Effect.gen(function* () {
        const [help, version, incomplete, completions] = yield* Effect.all(
          [
            plinth({}, "users", "relink", "--help"),
            plinth({}, "--version"),
            plinth({}, "users"),
            plinth({}, "--completions", "zsh"),
          ],
          { concurrency: 2 },
        )

        assert.deepStrictEqual([help.code, help.stderr], [0, ""])
        assert.include(help.stdout, "plinth users relink [flags] <user> <to>")
        assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/)
        assert.deepStrictEqual([incomplete.code, incomplete.stdout], [2, ""])
        assert.include(incomplete.stderr, "deactivate")
        assert.deepStrictEqual([completions.code, completions.stderr], [0, ""])
        assert.include(completions.stdout, "#compdef plinth")
      }),
    processTimeoutMs,
  )

  it.effect(
    "refuses invalid arguments with one line on stderr and exit code 2",
    () =>
      Effect.gen(function* () {
        const outcomes = yield* each([
          "nonsense",
          "users lst",
          "users list --limit 1001",
          "users list --active --inactive",
          "users show",
          "token mint",
          "token mint --sub ada --role superadmin",
          "token mint --sub ada --expires-in 366d",
          "token mint --sub ada --email nobody",
          "jobs list --state dead",
          `jobs enqueue send_password_reset_email {"token":"${canary}`,
        ])

        for (const { code, stdout } of outcomes) assert.deepStrictEqual([code, stdout], [2, ""])
        assert.deepStrictEqual(outcomes.map(firstLine), [
          'plinth: Unknown subcommand "nonsense" for "plinth"',
          'plinth: Unknown subcommand "lst" for "plinth users". Did you mean: list',
          'plinth: Invalid value for flag --limit: "1001". Expected: 1 to 1000',
          "plinth: --active and --inactive exclude each other",
          "plinth: Missing required argument: user",
          "plinth: Missing required flag: --sub",
          'plinth: Invalid value for flag --role: "superadmin". Expected: "user" | "admin"',
          'plinth: Invalid value for flag --expires-in: "366d". Expected: seconds, or 90s, 15m, 12h, 30d; at most 365d',
          'plinth: Invalid value for flag --email: "nobody". Expected: an e-mail address',
          'plinth: Invalid value for flag --state: "dead". Expected: "waiting" | "delayed" | "active" | "completed" | "failed" | "cancelled"',
          "plinth: the payload is not JSON",
        ])
      }),
    processTimeoutMs,
  )

  it.effect(
    "refuses destructive commands without --yes or a terminal, before it opens the database",
    () =>
      Effect.gen(function* () {
        const outcomes = yield* each(
          ["migrate down", "users deactivate ada", "users relink ada grace", "jobs cancel 1"],
          { DATABASE_URL: "sqlite:/dev/null/plinth.db" },
        )

        for (const outcome of outcomes) {
          assert.deepStrictEqual([outcome.code, outcome.stdout], [2, ""])
          assert.strictEqual(firstLine(outcome), "plinth: --yes is required without a terminal")
        }
      }),
    processTimeoutMs,
  )

  it.effect(
    "names every invalid variable, without its value",
    () =>
      Effect.gen(function* () {
        const environment = { PORT: "canary-port", SECRET_KEY: "canary-key", LOG_LEVEL: "canary" }
        const [doctor, mint] = yield* each(["doctor", "token mint --sub ada"], environment)

        assert.strictEqual(doctor?.code, 1)
        assert.match(doctor?.stdout ?? "", /^LOG_LEVEL\s+broken/m)
        assert.match(doctor?.stdout ?? "", /^PORT\s+broken/m)
        assert.match(doctor?.stdout ?? "", /^SECRET_KEY\s+broken/m)
        assert.strictEqual(doctor?.stderr, "plinth: broken: LOG_LEVEL, PORT, SECRET_KEY\n")

        assert.deepStrictEqual([mint?.code, mint?.stdout], [1, ""])
        assert.match(
          mint?.stderr ?? "",
          /^plinth: LOG_LEVEL: .+\nplinth: PORT: .+\nplinth: SECRET_KEY: .+\n$/,
        )
        assert.notInclude(JSON.stringify([doctor, mint]), "canary")
      }),
    processTimeoutMs,
  )

  it.effect(
    "prints the OpenAPI document without settings",
    () =>
      Effect.gen(function* () {
        const outcome = yield* plinth({ PORT: "nonsense", DATABASE_URL: "nonsense" }, "openapi")

        assert.deepStrictEqual(jsonOf(outcome), JSON.parse(JSON.stringify(OpenApi.fromApi(Api))))
      }),
    processTimeoutMs,
  )

  it.live(
    "mints a token that the API accepts, and prints nothing else on stdout",
    () =>
      Effect.gen(function* () {
        const line = "token mint --sub ada --email ada@example.com --role admin --expires-in 15m"
        const minted = yield* plinth({}, ...line.split(" "))

        assert.deepStrictEqual([minted.code, minted.stderr], [0, ""])
        assert.match(minted.stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/)
        const { verify } = yield* Tokens
        const identity = yield* Effect.clockWith((clock) => verify(minted.stdout.trim(), clock))
        const { email, role, sub } = identity
        assert.deepStrictEqual([`${sub}`, email, role], ["ada", "ada@example.com", "admin"])
        assert.strictEqual(identity.expires_at, (identity.issued_at ?? 0) + 900)
      }).pipe(Effect.provide(tokens)),
    processTimeoutMs,
  )
})
