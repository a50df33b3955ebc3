import { createSecretKey } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Jwt from "../../src/core/identity/Jwt.ts"
import type { Claims } from "../../src/domain/users/Identity.ts"
import { newCaller, server } from "../fixtures/http/Callers.ts"
import { halfSent } from "../fixtures/http/HalfSent.ts"
import { type Request, send } from "../fixtures/http/Http.ts"
import { rpcToken } from "../fixtures/http/Rpc.ts"
import { added, series } from "../fixtures/http/Series.ts"
import { environment, newUser } from "../TestApp.ts"
import { dialect } from "../TestDatabase.ts"

const projects = "/api/v1/app/projects"
const scrape = "/api/v1/public/metrics"
const issuer = "https://issuer.example.com"
const audience = "plinth-app"

/** Signs with HS256 and SECRET_KEY, which is also the provider's key here. */
const signed = (claims: Claims, key = environment["SECRET_KEY"] ?? "") =>
  Jwt.sign(claims, createSecretKey(key, "utf8"))

/** The claims of the provider for this user; `iat` in seconds. */
const claimsOf = (sub: string, more: Claims = {}): Claims => {
  const iat = Math.floor(performance.timeOrigin / 1000)
  return { iss: issuer, aud: audience, sub, iat, exp: iat + 3600, ...more }
}

layer(server({ OAUTH_ISSUER: issuer, OAUTH_AUDIENCE: audience, RPC_TOKEN: rpcToken }), {
  excludeTestServices: true,
})("Metrics", (it) => {
  it.effect("count and time each answer once, by method, route pattern and status", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      yield* send({ path: projects, token })
      const cases: ReadonlyArray<readonly [Request, string, string, number]> = [
        [{ path: `${projects}?limit=5`, token }, "GET", projects, 200],
        [{ path: projects, json: { name: "One" }, token }, "POST", projects, 201],
        [{ path: projects, json: { name: 1 }, token }, "POST", projects, 422],
        [{ path: projects }, "GET", projects, 401],
        [{ path: `${projects}/p-1`, token }, "GET", `${projects}/{id}`, 404],
        [{ path: "/wp-login.php?x=1" }, "GET", "unmatched", 404],
        [{ method: "PUT", path: projects, token }, "PUT", "unmatched", 405],
        [{ method: "PROPFIND", path: "/" }, "OTHER", "unmatched", 404],
      ]
      for (const [request, method, endpoint, status] of cases) {
        const labels = `method="${method}",endpoint="${endpoint}"`
        assert.deepStrictEqual(
          yield* added(send(request), "http_requests_total", "http_request_duration_seconds_count"),
          {
            [`http_requests_total{${labels},status_code="${status}"}`]: 1,
            [`http_request_duration_seconds_count{${labels}}`]: 1,
          },
        )
      }
      for (const [key, value] of yield* series) {
        if (key.startsWith("http_requests_in_progress")) assert.strictEqual(value, 0, key)
      }
    }),
  )

  it.effect("count one cache miss for a new user, and hits after that", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const asked = send({ path: projects, token })
      const names = ["cache_hits_total", "cache_misses_total"]
      // The first token of a user is a login, which is written.
      assert.deepStrictEqual(yield* added(asked, ...names), {
        'cache_misses_total{cache_type="users"}': 1,
      })
      assert.deepStrictEqual(yield* added(asked, ...names), {
        'cache_hits_total{cache_type="users"}': 1,
      })
    }),
  )

  it.effect("do not count probes and scrapes", () =>
    Effect.gen(function* () {
      const probes = ["/api/v1/public/health", "/api/v1/public/health/ready", scrape]
      const all = Effect.forEach(probes, (path) => send({ path }))
      assert.deepStrictEqual(
        yield* added(all, "http_requests_total", "http_request_duration_seconds_count"),
        {},
      )
      const counted = Array.from((yield* series).keys()).filter((key) => key.includes("/public/"))
      assert.deepStrictEqual(counted, [])
    }),
  )

  it.effect("count a request as in progress from its head to its answer", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const key = `http_requests_in_progress{method="POST",endpoint="${projects}"}`
      const inProgress = Effect.map(series, (all) => all.get(key) ?? 0)
      const upload = yield* halfSent(projects, token)
      // Waits for the head to arrive. The request is then in progress until the rest is sent.
      while ((yield* inProgress) === 0) yield* Effect.sleep("5 millis")
      assert.strictEqual(yield* inProgress, 1)
      assert.strictEqual(yield* upload.finish, 201)
      assert.strictEqual(yield* inProgress, 0)
    }),
  )

  it.effect("count a request whose client disconnects as 499, and no longer as in progress", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const labels = `method="POST",endpoint="${projects}"`
      const disconnected = `http_requests_total{${labels},status_code="499"}`
      const inProgress = `http_requests_in_progress{${labels}}`
      const upload = yield* halfSent(projects, token)
      while ((yield* series).get(inProgress) !== 1) yield* Effect.sleep("5 millis")
      yield* upload.hangUp
      while ((yield* series).get(inProgress) !== 0) yield* Effect.sleep("5 millis")
      assert.strictEqual((yield* series).get(disconnected), 1)
    }),
  )

  it.effect("count an RPC call whose client disconnects under its own path", () =>
    Effect.gen(function* () {
      const disconnected = `http_requests_total{method="POST",endpoint="/rpc",status_code="499"}`
      const upload = yield* halfSent("/rpc", rpcToken, "application/x-ndjson")
      yield* Effect.sleep("50 millis")
      yield* upload.hangUp
      while ((yield* series).get(disconnected) === undefined) yield* Effect.sleep("5 millis")
      assert.strictEqual((yield* series).get(disconnected), 1)
    }),
  )

  it.effect("count and time statements by operation and table", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      yield* send({ path: projects, token })
      assert.deepStrictEqual(
        yield* statements({ path: projects, token }),
        one("SELECT", "projects"),
      )
      const create = yield* statements({ path: projects, json: { name: "One" }, token })
      assert.deepInclude(create, one("INSERT", "projects"))
      const { json } = yield* send({ path: projects, json: { name: "Two" }, token })
      const path = `${projects}/${(json as { readonly id: string }).id}`
      const update = yield* statements({ method: "PATCH", path, json: { name: "2" }, token })
      assert.deepInclude(update, one("UPDATE", "projects"))
      assert.deepStrictEqual(yield* statements({ path: "/nothing" }), {})
    }),
  )

  it.effect("count a unique violation as a database error", () =>
    Effect.gen(function* () {
      const [taken, id] = [yield* newCaller(), newUser()]
      const first = { email: `first-${id}@example.com` }
      yield* send({ path: projects, token: signed(claimsOf(id, first)) })
      const token = signed(claimsOf(id, { email: `${taken.id}@example.com` }))
      assert.deepStrictEqual(yield* added(send({ path: projects, token }), "db_errors_total"), {
        'db_errors_total{error_type="UniqueViolation"}': 1,
      })
    }),
  )

  it.effect("count sign-ups and logins once per token", () =>
    Effect.gen(function* () {
      const id = newUser()
      const use = (claims: Claims) =>
        added(
          send({ path: projects, token: signed(claimsOf(id, claims)) }),
          "auth_events_total",
          "auth_failures_total",
        )
      const email = `${id}@example.com`
      const { iat } = claimsOf(id) as { readonly iat: number }
      assert.deepStrictEqual(yield* use({ email, iat: iat - 9 }), event("signup", "custom"))
      assert.deepStrictEqual(yield* use({ email, iat: iat - 9 }), {})
      assert.deepStrictEqual(yield* use({ email, iat: iat - 8 }), event("login", "custom"))
      assert.deepStrictEqual(yield* use({ email, iat: iat - 8 }), {})
      // A newcomer refused for a taken e-mail address has not signed up.
      const newcomer = signed(claimsOf(newUser(), { email }))
      const attempt = send({ path: projects, token: newcomer })
      assert.deepStrictEqual(yield* added(attempt, "auth_events_total"), {})
      // Our own issuer is its own provider label.
      const own = { email, iss: "plinth", purpose: "access", iat: iat - 7 }
      assert.deepStrictEqual(yield* use(own), event("login", "plinth"))
    }),
  )

  it.effect("count refused credentials by reason", () =>
    Effect.gen(function* () {
      const id = newUser()
      const { iat } = claimsOf(id) as { readonly iat: number }
      const changed = (more: Claims) => signed(claimsOf(id, more))
      const none = `${encoded({ alg: "none" })}.${encoded(claimsOf(id))}.c2lnbmF0dXJl`
      const refused: Readonly<Record<string, string>> = {
        malformed: "not-a-token",
        algorithm: none,
        signature: signed(claimsOf(id), "another-key-of-32-bytes-0123456789"),
        issuer: changed({ iss: "https://other.example.com" }),
        audience: changed({ aud: "another" }),
        expired: changed({ exp: iat - 3600 }),
        not_yet_valid: changed({ nbf: iat + 36_000 }),
        claims: changed({ sub: "" }),
        purpose: changed({ iss: "plinth", purpose: "file" }),
      }
      for (const [reason, token] of Object.entries(refused)) {
        const provider = reason === "purpose" ? "plinth" : "custom"
        assert.deepStrictEqual(yield* refusal(token), {
          [`auth_failures_total{reason="${reason}"}`]: 1,
          ...event("failed", provider),
        })
      }
      assert.deepStrictEqual(yield* refusal(undefined), {
        'auth_failures_total{reason="missing_token"}': 1,
      })
    }),
  )

  it.effect("report the connection pool on PostgreSQL only", () =>
    Effect.gen(function* () {
      yield* send({ path: "/api/v1/public/health/ready" })
      const all = yield* series
      const states = ["active", "idle", "overflow"].map((state) =>
        all.get(`db_pool_connections{state="${state}"}`),
      )
      if (dialect() === "sqlite") {
        assert.deepStrictEqual(states, [undefined, undefined, undefined])
        return
      }
      const [active, idle, overflow] = states
      assert.strictEqual(active, 0)
      assert.isAtLeast(idle ?? 0, 1)
      assert.strictEqual(overflow, 0)
    }),
  )

  it.effect("never use values of requests as labels", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      yield* send({ path: `${projects}/canary-id?q=canary`, token })
      yield* send({ path: "/canary", token: "canary" })
      yield* send({ method: "CANARY", path: projects })
      assert.notInclude((yield* send({ path: scrape })).text.toLowerCase(), "canary")
    }),
  )
})

const statements = (request: Request) =>
  added(send(request), "db_queries_total", "db_query_duration_seconds_count")

const one = (operation: string, table: string) => ({
  [`db_queries_total{operation="${operation}",table="${table}"}`]: 1,
  [`db_query_duration_seconds_count{operation="${operation}",table="${table}"}`]: 1,
})

const event = (name: string, provider: string) => ({
  [`auth_events_total{event="${name}",provider="${provider}"}`]: 1,
})

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")

const refusal = (token: string | undefined) =>
  added(
    Effect.map(send({ path: projects, token }), ({ status }) => assert.strictEqual(status, 401)),
    "auth_failures_total",
    "auth_events_total",
  )
