import { assert, layer } from "@effect/vitest"
import { Clock, Effect, Redacted } from "effect"
import { Metrics } from "../../src/core/telemetry/Metrics.ts"
import { Tokens } from "../../src/core/identity/Tokens.ts"
import { newCaller, server } from "../fixtures/http/Callers.ts"
import type { Answer } from "../fixtures/http/Answer.ts"
import { failureOf, type Request, send } from "../fixtures/http/Http.ts"
import { sleep } from "../fixtures/data/Sleep.ts"
import { newUser } from "../TestApp.ts"

const projects = "/api/v1/app/projects"

/** Sends the request `count` times in sequence, and returns the statuses. */
const statuses = (count: number, request: Request) =>
  Effect.map(Effect.replicateEffect(send(request), count), (answers) =>
    answers.map(({ status }) => status),
  )

const limitOf = ({ headers }: Answer) => [
  headers["x-ratelimit-limit"],
  headers["x-ratelimit-remaining"],
  headers["ratelimit"],
  headers["ratelimit-policy"],
]

/** Returns the sum of the series whose lines begin with this text. */
const counted = (series: string) =>
  Effect.map(
    Effect.flatMap(Metrics, ({ render }) => render),
    (text) =>
      text
        .split("\n")
        .filter((line) => line.startsWith(series))
        .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0),
  )

layer(server({ RATE_LIMIT_DEFAULT: "3/minute" }), { excludeTestServices: true })(
  "The limit of a user",
  (it) => {
    it.effect("counts per user and route pattern, whatever the parameters are", () =>
      Effect.gen(function* () {
        const [caller, other] = [yield* newCaller(), yield* newCaller()]
        const { token } = caller
        assert.deepStrictEqual(yield* statuses(4, { path: projects, token }), [200, 200, 200, 429])
        assert.deepStrictEqual(yield* statuses(1, { path: projects, token: other.token }), [200])

        const missing = [1, 2, 3, 4].map((n) => ({ path: `${projects}/${n}?n=${n}`, token }))
        const answers = yield* Effect.forEach(missing, (request) => send(request))
        assert.deepStrictEqual(
          answers.map(({ status }) => status),
          [404, 404, 404, 429],
        )
      }),
    )

    it.effect("is described in the headers of every counted answer", () =>
      Effect.gen(function* () {
        const { token } = yield* newCaller()
        const now = (yield* Clock.currentTimeMillis) / 1000
        const first = yield* send({ path: projects, token })
        assert.deepStrictEqual(limitOf(first), [
          "3",
          "2",
          '"default";r=2;t=20',
          '"default";q=3;w=60',
        ])
        const reset = Number(first.headers["x-ratelimit-reset"])
        assert.isTrue(reset >= now + 19 && reset <= now + 25, `${reset} at ${now}`)
        const bad = yield* send({ path: projects, token, json: {} })
        assert.strictEqual(bad.status, 422)
        assert.strictEqual(bad.headers["x-ratelimit-remaining"], "1")
      }),
    )

    it.effect("refuses with the error envelope and the seconds to wait", () =>
      Effect.gen(function* () {
        const { token } = yield* newCaller()
        yield* statuses(3, { path: projects, token })
        const hits = 'rate_limit_hits_total{endpoint="/api/v1/app/projects",client_type="user"}'
        const before = yield* counted(hits)
        const refused = yield* send({ path: projects, token })
        assert.strictEqual(refused.status, 429)
        const { code, details } = failureOf(refused)
        assert.strictEqual(code, "RATE_LIMIT_EXCEEDED")
        assert.strictEqual(refused.headers["retry-after"], String(details["retry_after"]))
        assert.isTrue(Number(details["retry_after"]) > 55 && Number(details["retry_after"]) <= 60)
        assert.strictEqual(refused.headers["x-ratelimit-remaining"], "0")
        assert.strictEqual((yield* counted(hits)) - before, 1)
      }),
    )

    it.effect("does not count probes, metrics and documents", () =>
      Effect.gen(function* () {
        for (const path of [
          "/api/v1/public/health",
          "/api/v1/public/health/ready",
          "/api/v1/public/metrics",
          "/api/v1/openapi.json",
        ]) {
          const answers = yield* Effect.replicateEffect(send({ path }), 5)
          assert.isTrue(answers.every(({ status }) => status === 200))
          assert.isUndefined(answers[0]?.headers["ratelimit"])
        }
      }),
    )
  },
)

layer(server({ RATE_LIMIT_DEFAULT: "4/second" }), { excludeTestServices: true })(
  "A refused caller",
  (it) => {
    it.effect("is admitted after waiting for Retry-After seconds", () =>
      Effect.gen(function* () {
        const { token } = yield* newCaller()
        const answers = yield* Effect.replicateEffect(send({ path: projects, token }), 40, {
          concurrency: 8,
        })
        const refused = answers.find(({ status }) => status === 429)
        assert.isDefined(refused)
        yield* sleep(Number(refused?.headers["retry-after"]) * 1000)
        assert.deepStrictEqual(yield* statuses(1, { path: projects, token }), [200])
      }),
    )
  },
)

/** Tokens that are refused, each for a different reason. */
const forged = [
  "x",
  "a.b.c",
  "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
  "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIiwiZXhwIjo5OTk5OTk5OTk5fQ.c2ln",
]

const bad = (address: string, token = forged[3]) => ({
  path: projects,
  token,
  headers: { "X-Forwarded-For": address },
})

layer(server({ RATE_LIMIT_AUTH: "4/minute", TRUSTED_PROXIES: "1" }), { excludeTestServices: true })(
  "The limit of failed tokens",
  (it) => {
    it.effect("answers 429 beyond it, counts per address, and admits valid tokens", () =>
      Effect.gen(function* () {
        const { token } = yield* newCaller()
        const first = yield* Effect.forEach(forged, (one) => send(bad("198.51.100.1", one)))
        assert.deepStrictEqual(
          first.map(({ status }) => status),
          [401, 401, 401, 401],
        )
        const refused = yield* send(bad("198.51.100.1"))
        assert.strictEqual(refused.status, 429)
        assert.isTrue(Number(refused.headers["retry-after"]) > 0)
        assert.strictEqual(refused.headers["ratelimit-policy"], '"auth";q=4;w=60')
        assert.deepStrictEqual(yield* statuses(1, bad("198.51.100.2")), [401])
        assert.deepStrictEqual(yield* statuses(3, bad("198.51.100.1", token)), [200, 200, 200])
      }),
    )

    it.effect("cannot be evaded with forged addresses in X-Forwarded-For", () =>
      Effect.gen(function* () {
        const answers = yield* Effect.forEach([1, 2, 3, 4, 5, 6], (n) =>
          send(bad(`203.0.113.${n}, 198.51.100.3`)),
        )
        assert.deepStrictEqual(
          answers.map(({ status }) => status),
          [401, 401, 401, 401, 429, 429],
        )
      }),
    )

    it.effect("counts neither missing nor merely expired tokens", () =>
      Effect.gen(function* () {
        const { sign } = yield* Tokens
        const old = yield* sign({ sub: newUser(), expires_in: -1, purpose: "access" })
        const headers = { "X-Forwarded-For": "198.51.100.4" }
        for (const token of [undefined, Redacted.value(old)]) {
          const all = yield* statuses(6, { path: projects, headers, token })
          assert.deepStrictEqual(all, [401, 401, 401, 401, 401, 401])
        }
      }),
    )

    it.effect("does not query the database", () =>
      Effect.gen(function* () {
        const before = yield* counted("db_queries_total")
        yield* statuses(8, bad("198.51.100.5"))
        assert.strictEqual(yield* counted("db_queries_total"), before)
      }),
    )
  },
)

layer(server({ RATE_LIMIT_AUTH: "2/minute" }), { excludeTestServices: true })(
  "The limit without a trusted proxy",
  (it) => {
    it.effect("ignores X-Forwarded-For", () =>
      Effect.gen(function* () {
        const answers = yield* Effect.forEach([1, 2, 3], (n) => send(bad(`203.0.113.${n}`)))
        assert.deepStrictEqual(
          answers.map(({ status }) => status),
          [401, 401, 429],
        )
      }),
    )
  },
)
