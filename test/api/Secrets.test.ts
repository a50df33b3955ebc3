import type { ChildProcess } from "node:child_process"
import { createHmac } from "node:crypto"
import { DatabaseSync } from "node:sqlite"
import { assert, inject, layer } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { Address } from "../../src/http/Server.ts"
import { Collector } from "../fixtures/servers/Collector.ts"
import { Http, raw, send } from "../fixtures/http/Http.ts"
import { processTimeoutMs, start } from "../fixtures/processes/Plinth.ts"
import { frame, post } from "../fixtures/http/Rpc.ts"
import { runSql, TestDatabase } from "../TestDatabase.ts"

const SECRET_KEY = `canary-key-${SecureRandom.uuidV4Unsafe()}`
const METRICS_TOKEN = "canary-metrics-token"
const RPC_TOKEN = `canary-rpc-token-${SecureRandom.uuidV4Unsafe()}`
const password = "canary-password"

/** The URL of this file's database, with a password that must not appear in any output. */
const databaseUrl = Effect.gen(function* () {
  const url = yield* TestDatabase
  const postgres = inject("postgres")
  if (postgres === null) return url
  const role = `canary_${SecureRandom.uuidV4Unsafe().slice(0, 8)}`
  yield* runSql(postgres, `CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${password}'`)
  const withPassword = new URL(url)
  withPassword.username = role
  withPassword.password = password
  return withPassword.href
})

/** Makes requests fail with an error of the database. */
const breakDatabase = Effect.flatMap(TestDatabase, (url) =>
  url.startsWith("sqlite:")
    ? Effect.sync(() => new DatabaseSync(url.slice(7)).exec("DROP TABLE projects"))
    : runSql(url, "DROP TABLE projects"),
)

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** Returns a token as the configured provider signs it. */
const newToken = Effect.map(Clock.currentTimeMillis, (now) => {
  const iat = Math.floor(now / 1000)
  const signed = `${part({ alg: "HS256" })}.${part({ sub: "somebody", iat, exp: iat + 600 })}`
  return `${signed}.${createHmac("sha256", SECRET_KEY).update(signed).digest("base64url")}`
})

/** Collects the output of a process. */
const listenTo = (child: ChildProcess) => {
  const output = { text: "" }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => (output.text += chunk.toString()))
  }
  return output
}

const portOf = (output: { readonly text: string }): Effect.Effect<number> => {
  const port = /localhost:(\d+)"/.exec(output.text)?.[1]
  return port === undefined
    ? Effect.andThen(
        Effect.sleep("10 millis"),
        Effect.suspend(() => portOf(output)),
      )
    : Effect.succeed(Number(port))
}

const exitOf = (child: ChildProcess) =>
  Effect.callback<number | null>((resume) => {
    child.once("close", (code) => resume(Effect.succeed(code)))
    child.kill("SIGTERM")
  })

const requestFor = (target: string) =>
  `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`

layer(Layer.merge(TestDatabase.layer, Collector.layer), { excludeTestServices: true })(
  "All output of a server",
  (it) => {
    it.effect(
      "contains no secret, whatever fails",
      () =>
        Effect.gen(function* () {
          const collector = yield* Collector
          const child = yield* start(
            {
              DATABASE_URL: yield* databaseUrl,
              SECRET_KEY,
              METRICS_TOKEN,
              RPC_TOKEN,
              OTEL_ENABLED: "true",
              OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
              ENVIRONMENT: "staging",
              LOG_LEVEL: "DEBUG",
              HOST: "127.0.0.1",
              PORT: "0",
            },
            "serve",
          )
          const output = listenTo(child)
          const port = yield* portOf(output)
          const token = yield* newToken
          const projects = "/api/v1/app/projects"
          const requests = Effect.gen(function* () {
            const headers = { Cookie: "session=canary", "X-Forwarded-For": "203.0.113.7" }
            const json = { name: "canary", description: "canary\u0000" }
            const found = [
              yield* send({
                path: `${projects}?search=canary&access_token=canary`,
                token,
                headers,
              }),
              yield* send({ path: projects, token, json }),
              yield* send({ path: projects, token, body: '{"name":"canary' }),
              yield* send({ path: projects, headers: { authorization: "Bearer canary-bearer" } }),
              yield* send({ path: projects, token: `${token}x` }),
              yield* send({ path: "/api/v1/public/metrics", token: METRICS_TOKEN }),
              yield* send({ path: "/api/v1/public/metrics", token: "canary-guess" }),
              yield* post({
                body: frame("users.getByEmail", { email: "canary@example.com" }),
                token: RPC_TOKEN,
              }),
              yield* post({ body: frame("canary"), token: "canary-guess" }),
            ]
            const unroutable = [
              yield* send({ path: `${projects};access_token=canary`, token }),
              yield* send({ method: "OPTIONS", path: `${projects};canary?canary`, token }),
              yield* send({ path: `${projects}#canary`, token }),
              yield* send({ path: "/rpc;canary", json: {}, token: RPC_TOKEN }),
              yield* raw(requestFor("http://canary:canary@canary/api;canary?canary#canary")),
              yield* raw(requestFor("ftp://canary:canary@canary/canary")),
              yield* raw(requestFor("http://canary:canary@[canary/canary")),
            ]
            for (const { status, text } of unroutable) {
              assert.strictEqual(status, 404)
              assert.notInclude(text, "canary")
            }
            const scraped = yield* send({ path: "/api/v1/public/metrics", token: METRICS_TOKEN })
            assert.notInclude(scraped.text, "canary")
            yield* breakDatabase
            found.push(
              yield* send({ path: `${projects}?search=canary`, token }),
              yield* send({ path: projects, token, json: { name: "canary-name" } }),
              yield* post({
                body: frame("projects.list", { owner_id: "canary" }),
                token: RPC_TOKEN,
              }),
            )
            assert.include(found.at(-1)?.text ?? "", "INTERNAL_ERROR")
            return found.map(({ status }) => status)
          })
          const statuses = yield* Effect.provide(
            requests,
            Http.layer.pipe(Layer.provide(Layer.succeed(Address, { port }))),
          )
          assert.deepStrictEqual(
            statuses,
            [200, 422, 400, 401, 401, 200, 401, 200, 401, 500, 500, 200],
          )

          assert.strictEqual(yield* exitOf(child), 0)
          const lines = output.text.split("\n")
          assert.strictEqual(
            lines.filter((line) => line.includes('"message":"request"')).length,
            17,
          )
          assert.strictEqual(lines.filter((line) => line.includes('"exception"')).length, 3)
          assert.deepStrictEqual(
            lines.filter((line) => line.includes("canary")),
            [],
          )
          const spans = collector.text()
          assert.include(spans, projects)
          assert.notInclude(spans, "canary")
          for (const part of token.split(".")) assert.notInclude(output.text + spans, part)
        }),
      processTimeoutMs,
    )
  },
)
