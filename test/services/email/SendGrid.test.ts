import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { failureOf, secretsIn } from "../../fixtures/vendors/Adapting.ts"
import { mailing, message, recipient } from "../../fixtures/vendors/Mailing.ts"
import * as SendGridServer from "../../fixtures/vendors/SendGridServer.ts"
import type { Behaviour } from "../../fixtures/vendors/StrictVendor.ts"

const started = (environment: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const vendor = yield* SendGridServer.make
    const sender = yield* mailing({
      EMAIL_PROVIDER: "sendgrid",
      SENDGRID_API_KEY: SendGridServer.apiKey,
      SENDGRID_BASE_URL: vendor.url,
      ...environment,
    })
    return { ...vendor, ...sender }
  })

/** A refusal whose message quotes what was sent, as the vendor's may. */
const refusal = (status: number, headers: Readonly<Record<string, string>> = {}) =>
  SendGridServer.refusal(status, "personalizations.0.to.0.email", `Not for ${recipient}`, headers)

describe("An e-mail by SendGrid", () => {
  it.effect("is requested as documented", () =>
    Effect.gen(function* () {
      const name = 'Ada, "the" <mallory@example.com>'
      const { counted, mails, send, state, telemetry } = yield* started({ EMAIL_FROM_NAME: name })

      assert.deepStrictEqual(yield* send(message, "job-1"), { message_id: "message-1" })

      assert.deepStrictEqual(state.violations, [])
      assert.deepStrictEqual<unknown>(mails, [
        {
          personalizations: [{ to: [{ email: recipient }] }],
          from: { email: "no-reply@example.com", name },
          subject: message.subject,
          content: [
            { type: "text/plain", value: message.text },
            { type: "text/html", value: message.html },
          ],
          custom_args: { key: "job-1" },
          tracking_settings: {
            click_tracking: { enable: false, enable_text: false },
            open_tracking: { enable: false },
            subscription_tracking: { enable: false },
          },
        },
      ])
      assert.strictEqual(yield* counted("success"), 1)
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )

  it.effect("is not sent again if the answer was lost", () =>
    Effect.gen(function* () {
      const { mails, send, state } = yield* started()
      state.first = ["cut_after"]
      const error = yield* failureOf(send(message, "job-1"))
      assert.include(error, { _tag: "EmailUnavailableError", retryable: true })
      assert.lengthOf(mails, 1)
      assert.lengthOf(state.requests, 1)
    }),
  )

  it.effect("is sent again if it was not accepted", () =>
    Effect.gen(function* () {
      const { mails, send, state } = yield* started()
      state.first = [refusal(429)]
      yield* send(message, "job-1")
      assert.lengthOf(mails, 1)
      assert.lengthOf(state.requests, 2)
    }),
  )

  it.effect("is not sent with an invalid API key", () =>
    Effect.gen(function* () {
      const { mails, send } = yield* started({ SENDGRID_API_KEY: "SG.canary.wrong" })
      const error = yield* failureOf(send(message, "job-1"))
      assert.include(error, { _tag: "EmailNotConfiguredError", reason: "key", retryable: false })
      assert.deepStrictEqual(mails, [])
    }),
  )
})

const throttled = { _tag: "EmailThrottledError", retryable: true }
const unavailable = { _tag: "EmailUnavailableError", retryable: true }

describe("A response of SendGrid:", () => {
  it.effect.each<readonly [string, Behaviour, object]>([
    ["400", refusal(400), { _tag: "EmailRejectedError", reason: "invalid" }],
    ["413", refusal(413), { _tag: "EmailRejectedError", reason: "too_large" }],
    ["403", refusal(403), { _tag: "EmailNotConfiguredError", reason: "permission" }],
    [
      "429 with a reset time",
      // The test clock starts at 0.
      refusal(429, { "x-ratelimit-reset": "90" }),
      { ...throttled, retry_after: 90 },
    ],
    ["500", refusal(500), unavailable],
    ["200 and garbage", { status: 200, body: "<html>" }, unavailable],
    ["a cut connection", "cut", unavailable],
    ["nothing", "late", unavailable],
  ])("%s, after one request", ([, behaviour, expected]) =>
    Effect.gen(function* () {
      const { counted, send, state, telemetry } = yield* started()
      state.behaviour = behaviour
      assert.include(yield* failureOf(send(message, "job-1")), expected)
      assert.lengthOf(state.requests, 1)
      assert.strictEqual(yield* counted("error"), 1)
      assert.deepStrictEqual(state.violations, [])
      assert.deepStrictEqual(secretsIn(yield* telemetry), [])
    }),
  )
})
