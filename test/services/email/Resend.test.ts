import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { subjectOf } from "../../../src/domain/Email.ts"
import type { Letterhead } from "../../../src/services/email/templates/Base.ts"
import { Link } from "../../../src/services/email/templates/Links.ts"
import { notification } from "../../../src/services/email/templates/Notification.ts"
import { failureOf, secretsIn } from "../../fixtures/vendors/Adapting.ts"
import { mailing, message, recipient } from "../../fixtures/vendors/Mailing.ts"
import { naughtyStrings } from "../../fixtures/data/NaughtyStrings.ts"
import * as ResendServer from "../../fixtures/vendors/ResendServer.ts"
import type { Behaviour, Reply } from "../../fixtures/vendors/StrictVendor.ts"

const letterhead: Letterhead = {
  project: "Plinth",
  links: { to: (path) => Link.under(new URL("https://app.example.com"), path) },
}

const started = (environment: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const vendor = yield* ResendServer.make
    const sender = yield* mailing({
      EMAIL_PROVIDER: "resend",
      RESEND_API_KEY: ResendServer.apiKey,
      RESEND_BASE_URL: vendor.url,
      ...environment,
    })
    return { ...vendor, ...sender }
  })

/** A refusal whose message quotes what was sent, as the vendor's may. */
const refusal = (status: number, name: string, headers: Readonly<Record<string, string>> = {}) => {
  const reply = ResendServer.refusal(status, name, `Not for ${recipient}`)
  return { ...reply, headers: { ...reply.headers, ...headers } }
}

describe("An e-mail by Resend", () => {
  it.effect("is requested as documented", () =>
    Effect.gen(function* () {
      const { counted, mails, send, spans, state, telemetry } = yield* started()

      const { message_id } = yield* send(message, "job-1")

      assert.deepStrictEqual(state.violations, [])
      const { html, subject, text, to } = message
      const from = "Plinth <no-reply@example.com>"
      assert.deepStrictEqual<unknown>(mails, [{ from, to: [to], subject, html, text }])
      assert.strictEqual(state.requests[0]?.headers["idempotency-key"], "job-1")
      assert.strictEqual(state.requests[0]?.headers["user-agent"], "plinth")
      assert.strictEqual(message_id, "49a3999c-0ce1-4ea6-ab68-000000000001")
      assert.strictEqual(yield* counted("success"), 1)
      assert.include(
        spans.map(({ name }) => name),
        "resend.send",
      )
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )

  it.effect("has the configured sender name, whatever its characters", () =>
    Effect.gen(function* () {
      const { mails, send, state } = yield* started({
        EMAIL_FROM_NAME: String.raw`Ada, "the" \ <mallory@example.com>`,
      })
      yield* send(message, "job-1")
      assert.deepStrictEqual(state.violations, [])
      assert.strictEqual(
        mails[0]?.from,
        String.raw`"Ada, \"the\" \\ <mallory@example.com>" <no-reply@example.com>`,
      )
    }),
  )

  it.effect("arrives unchanged, whatever its characters", () =>
    Effect.gen(function* () {
      const { mails, send, state } = yield* started()
      for (const [index, text] of naughtyStrings.filter((_, at) => at % 10 === 0).entries()) {
        const content = notification(letterhead, { title: text, body: text, path: text })
        yield* send({ to: message.to, ...content }, `job-${index}`)
        const { html, subject, text: plain } = mails.at(-1) ?? message
        assert.deepStrictEqual<unknown>({ html, subject, text: plain }, content)
      }
      assert.deepStrictEqual(state.violations, [])
    }),
  )

  it.effect("is delivered once, however often it is sent with the same key", () =>
    Effect.gen(function* () {
      const { mails, send, state } = yield* started()
      const first = yield* send(message, "job-1")
      assert.deepStrictEqual(yield* send(message, "job-1"), first)
      assert.lengthOf(mails, 1)
      assert.lengthOf(state.requests, 2)
    }),
  )

  it.effect("is delivered once if the answer was lost or a concurrent request came first", () =>
    Effect.gen(function* () {
      const { mails, send, state } = yield* started()
      state.first = ["cut_after", refusal(409, "concurrent_idempotent_requests")]
      yield* send(message, "job-1")
      assert.lengthOf(mails, 1)
      assert.lengthOf(state.requests, 3)
    }),
  )

  it.effect("is rejected if its key belongs to another e-mail", () =>
    Effect.gen(function* () {
      const { mails, send } = yield* started()
      yield* send(message, "job-1")
      const error = yield* failureOf(send({ ...message, subject: subjectOf("Other") }, "job-1"))
      assert.include(error, { _tag: "EmailRejectedError", reason: "key_reused", retryable: false })
      assert.lengthOf(mails, 1)
    }),
  )

  it.effect("follows no redirect", () =>
    Effect.gen(function* () {
      const other = yield* ResendServer.make
      const { send, state } = yield* started()
      state.behaviour = { status: 307, headers: { location: `${other.url}/emails` } }
      const error = yield* failureOf(send(message, "job-1"))
      assert.include(error, { _tag: "EmailNotConfiguredError", reason: "address" })
      assert.deepStrictEqual(other.state.requests, [])
    }),
  )

  it.effect("is not sent with an invalid API key", () =>
    Effect.gen(function* () {
      const { mails, send, telemetry } = yield* started({ RESEND_API_KEY: "re_canary_wrong" })
      const error = yield* failureOf(send(message, "job-1"))
      assert.include(error, { _tag: "EmailNotConfiguredError", reason: "key", retryable: false })
      assert.deepStrictEqual(mails, [])
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )
})

const rejected = (reason: string) => ({ _tag: "EmailRejectedError", reason, retryable: false })
const misconfigured = (reason: string) => ({
  _tag: "EmailNotConfiguredError",
  reason,
  retryable: false,
})
const throttled = { _tag: "EmailThrottledError", retryable: true }
const unavailable = { _tag: "EmailUnavailableError", retryable: true }

const json = (status: number, body: string): Reply => ({ status, body })

describe("A response of Resend:", () => {
  it.effect.each<readonly [string, Behaviour, object, number]>([
    ["400", refusal(400, "validation_error"), rejected("invalid"), 1],
    ["422", refusal(422, "missing_required_field"), rejected("invalid"), 1],
    ["413", refusal(413, "too_large"), rejected("too_large"), 1],
    ["451", refusal(451, "security_error"), rejected("refused"), 1],
    ["403", refusal(403, "validation_error"), misconfigured("permission"), 1],
    ["404", refusal(404, "not_found"), misconfigured("address"), 1],
    [
      "429 until tomorrow",
      refusal(429, "daily_quota_exceeded", { "retry-after": "3600" }),
      { ...throttled, retry_after: 3600 },
      1,
    ],
    [
      "429 for one second",
      refusal(429, "rate_limit_exceeded", { "retry-after": "1" }),
      { ...throttled, retry_after: 1 },
      3,
    ],
    ["429 without retry-after", refusal(429, "rate_limit_exceeded"), throttled, 3],
    ["500", refusal(500, "internal_server_error"), unavailable, 3],
    [
      "503 with retry-after",
      { status: 503, headers: { "retry-after": "60" }, body: "<html>" },
      { ...unavailable, retry_after: 60 },
      1,
    ],
    ["200 and garbage", json(200, "<html>canary</html>"), unavailable, 1],
    ["200 without an id", json(200, '{"id":""}'), unavailable, 1],
    ["200 without an end", json(200, "x".repeat(100_000)), unavailable, 3],
    ["a cut connection", "cut", unavailable, 3],
    ["nothing", "late", unavailable, 3],
  ])("%s", ([, behaviour, expected, requests]) =>
    Effect.gen(function* () {
      const { counted, send, state, telemetry } = yield* started()
      state.behaviour = behaviour
      const error = yield* failureOf(send(message, "job-1"))
      assert.include(error, expected)
      assert.strictEqual("retry_after" in error, "retry_after" in expected)
      assert.lengthOf(state.requests, requests)
      assert.strictEqual(yield* counted("error"), 1)
      assert.deepStrictEqual(state.violations, [])
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )

  it.effect.each<readonly [string, string]>([
    ["validation_error", "422 validation_error"],
    [`Not for ${recipient}`, "422"],
    ["canary".repeat(20), "422"],
  ])("named %s gives an error whose cause is %s", ([name, expected]) =>
    Effect.gen(function* () {
      const { send, state } = yield* started()
      state.behaviour = refusal(422, name)
      const { cause } = yield* failureOf(send(message, "job-1"))
      assert(cause instanceof Error)
      assert.strictEqual(cause.message, expected)
    }),
  )

  it.effect("missing five times opens the circuit breaker, which then sends no request", () =>
    Effect.gen(function* () {
      const { mails, send, state } = yield* started()
      state.behaviour = "cut"
      for (let index = 0; index < 5; index += 1) yield* failureOf(send(message, "job-1"))
      const asked = state.requests.length
      state.behaviour = "documented"
      const error = yield* failureOf(send(message, "job-1"))
      assert.include<object>(error, { ...unavailable, retry_after: 5 })
      assert.lengthOf(state.requests, asked)
      assert.lengthOf(mails, 0)
    }),
  )
})
