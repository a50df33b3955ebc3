import { Effect, Layer, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { FetchHttpClient } from "effect/http"
import { inject } from "vitest"
import { PlinthApi } from "../src/api/ApiClient.ts"
import * as Doors from "../src/Doors.ts"
import * as Server from "../src/http/Server.ts"
import * as App from "../src/App.ts"
import * as Migrations from "../src/core/sql/Migrations.ts"
import { type Environment, Settings } from "../src/core/settings/Settings.ts"
import { Tokens } from "../src/core/identity/Tokens.ts"
import { UserId } from "../src/domain/users/User.ts"
import { TestDatabase } from "./TestDatabase.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** True if servers under test have the hot path; otherwise the router answers everything. */
    readonly hotPath: boolean
  }
}

/** The settings of every application under test, apart from its database. */
export const environment: Environment = {
  HOST: "127.0.0.1",
  PORT: "0",
  LOG_LEVEL: "ERROR",
  SECRET_KEY: `test-${SecureRandom.uuidV4Unsafe()}-${SecureRandom.uuidV4Unsafe()}`,
  SHUTDOWN_GRACE_SECONDS: "0",
  // Tests of limits set their own.
  RATE_LIMIT_DEFAULT: "1000000/second",
  RATE_LIMIT_AUTH: "1000000/second",
  PLAN_LIMITS: '{"free":{"projects":null,"api_requests":null}}',
}

const withDatabase = (more: Environment) =>
  Layer.unwrap(
    Effect.map(TestDatabase, (DATABASE_URL) =>
      Settings.layerFrom({ ...environment, DATABASE_URL, ...more }),
    ),
  ).pipe(Layer.provideMerge(TestDatabase.layer))

/** The application without its doors, with its own database. */
export const testAppWith = (more: Environment) =>
  Migrations.layer.pipe(Layer.provideMerge(App.layer), Layer.provideMerge(withDatabase(more)))

/** The doors under test; in the project `router` without the hot path. */
export const doors = Layer.unwrap(
  Effect.sync(() => (inject("hotPath") ? Doors.layer : Doors.routerLayer)),
)

/** The same, listening on a port of 127.0.0.1. */
export const testServerWith = (more: Environment) =>
  doors.pipe(Layer.provideMerge(testAppWith(more)), Layer.provideMerge(FetchHttpClient.layer))

export const TestApp = testAppWith({})
export const TestServer = testServerWith({})

/** The base URL of the server under test. */
export const baseUrl = Effect.map(Server.Address, ({ port }) => `http://127.0.0.1:${port}`)

/** Returns a user id that no other test has. */
export const newUser = () => UserId.make(SecureRandom.uuidV7Unsafe())

interface TokenOptions {
  readonly email?: string
  readonly role?: "user" | "admin"
}

/** Returns a token of our own issuer, valid for an hour. */
export const tokenFor = (sub: UserId, options: TokenOptions = {}) =>
  Effect.flatMap(Tokens, ({ sign }) =>
    Effect.map(sign({ sub, expires_in: 3600, purpose: "access", ...options }), Redacted.value),
  )

/** Our own typed client, signed in as this user. */
export const clientFor = (sub: UserId, options: TokenOptions = {}) =>
  Effect.gen(function* () {
    const [token, url] = [yield* tokenFor(sub, options), yield* baseUrl]
    return yield* PlinthApi.make({ url, token })
  })
