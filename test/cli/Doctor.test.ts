import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { results } from "../../src/cli/Results.ts"
import { jsonOf, processTimeoutMs, plinth } from "../fixtures/processes/Plinth.ts"
import * as TokenIssuer from "../fixtures/servers/TokenIssuer.ts"
import * as TestDatabase from "../TestDatabase.ts"

const decode = Schema.decodeUnknownSync(
  Schema.Struct({
    status: Schema.String,
    findings: Schema.Array(
      Schema.Struct({
        part: Schema.String,
        status: Schema.String,
        live: Schema.NullOr(Schema.String),
        why: Schema.NullOr(Schema.String),
        advice: Schema.NullOr(Schema.String),
      }),
    ),
  }),
)

layer(TestDatabase.layer)("plinth doctor", (it) => {
  it.effect(
    "shows which endpoints are on the hot path, and why the others are not",
    () =>
      Effect.gen(function* () {
        const { routes } = yield* Schema.decodeUnknownEffect(results["doctor --routes"])(
          jsonOf(yield* plinth({}, "doctor", "--routes", "--json")),
        )
        const others = routes.filter(({ hot }) => !hot).map(({ path, why }) => `${path}: ${why}`)
        assert.deepStrictEqual(others, [
          "/api/v1/public/health: middleware plinth/api/AddressLimit",
          "/api/v1/public/health/ready: middleware plinth/api/AddressLimit",
          "/api/v1/public/metrics: middleware plinth/api/AddressLimit",
          "/api/v1/app/ai/completions: several responses, or a stream",
          "/api/v1/app/ai/chat: several responses, or a stream",
          "/api/v1/app/ai/chat/routed: several responses, or a stream",
        ])
        const { stdout } = yield* plinth({}, "doctor", "--routes")
        assert.match(stdout, /^POST +\/api\/v1\/app\/projects +true +-$/m)
      }),
    processTimeoutMs,
  )

  it.effect(
    "reports which parts are live and why",
    () =>
      Effect.gen(function* () {
        const DATABASE_URL = yield* TestDatabase.TestDatabase
        const sql = yield* SqlClient.SqlClient
        const worker = { name: "job_runner", holder: "a", expires_at: "2100-01-01T00:00:00.000Z" }
        yield* sql`INSERT INTO leases ${sql.insert(worker)}`
        const { status, findings } = decode(
          jsonOf(yield* plinth({ DATABASE_URL }, "doctor", "--json")),
        )
        yield* sql`DELETE FROM leases`

        assert.strictEqual(status, "ok")
        const { live: directory, why } = findings.find(({ part }) => part === "DATA_DIR") ?? {}
        assert.match(directory ?? "", /\/\.data$/)
        assert.strictEqual(why, "stores e-mails")
        const live = Object.fromEntries(findings.map((finding) => [finding.part, finding.live]))
        assert.include(live, {
          Settings: "local",
          SECRET_KEY: "one key",
          Database: TestDatabase.dialect() === "pg" ? "PostgreSQL" : "SQLite",
          Jobs: TestDatabase.dialect() === "pg" ? "in workers" : "in the server",
          Redis: "none: in memory",
          Tokens: "custom, HS256",
          Email: "console: files in DATA_DIR",
          AI: "echo; echo/echo by default",
          Metrics: "open to all",
          Tracing: "off",
        })
      }),
    processTimeoutMs,
  )

  it.effect(
    "fails for unreachable services, without showing the password",
    () =>
      Effect.gen(function* () {
        const url = yield* TestDatabase.TestDatabase
        const DATABASE_URL =
          TestDatabase.dialect() === "pg"
            ? url.replace("postgres:postgres@", "postgres:canary-password@")
            : "sqlite:/dev/null/canary-password/plinth.db"
        const issuer = yield* TokenIssuer.make
        issuer.state.behaviour = { status: 200, body: "not keys" }
        const environment = { DATABASE_URL, OAUTH_JWKS_URL: issuer.jwksUrl }

        const { code, stdout, stderr } = yield* plinth(environment, "doctor")

        assert.strictEqual(code, 1)
        assert.match(stdout, /^Database +broken .*DATABASE_URL: the database cannot be opened/m)
        assert.match(stdout, /^Tokens +broken .*cannot fetch keys/m)
        // Log lines are not findings.
        assert.notInclude(stdout, "signing keys")
        assert.match(
          stderr,
          /signing keys could not be fetched.*\nplinth: broken: Database, Tokens\n$/,
        )
        assert.notInclude(stdout + stderr, "canary-password")
      }),
    processTimeoutMs,
  )

  it.effect(
    "warns of settings that production needs",
    () =>
      Effect.gen(function* () {
        const environment = {
          ENVIRONMENT: "staging",
          JOBS_EMBEDDED: "false",
          DATABASE_URL: yield* TestDatabase.TestDatabase,
          REDIS_URL: "redis://:canary-password@127.0.0.1:1",
          OTEL_ENABLED: "true",
          OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4317",
        }
        const { status, findings } = decode(jsonOf(yield* plinth(environment, "doctor", "--json")))

        assert.strictEqual(status, "warning")
        assert.deepStrictEqual(
          findings.filter((finding) => finding.status === "warning").map(({ part }) => part),
          ["Jobs", "Redis", "Email", "AI", "Tracing", "TRUSTED_PROXIES"],
        )
        assert.strictEqual(findings.find(({ part }) => part === "DATA_DIR")?.live, "not used")
      }),
    processTimeoutMs,
  )
})
