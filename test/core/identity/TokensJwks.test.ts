import { createHmac } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Logger, References } from "effect"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { Metrics } from "../../../src/core/telemetry/Metrics.ts"
import { Settings } from "../../../src/core/settings/Settings.ts"
import { Tokens } from "../../../src/core/identity/Tokens.ts"
import * as VerificationKey from "../../../src/core/identity/VerificationKey.ts"
import { countOf } from "../../fixtures/data/Counts.ts"
import * as TokenIssuer from "../../fixtures/servers/TokenIssuer.ts"

const now = 1_767_225_600

/** Starts a provider, and `Tokens` that trust it. */
const startProvider = Effect.gen(function* () {
  yield* TestClock.setTime(now * 1000)
  const provider = yield* TokenIssuer.make
  const context = yield* Layer.build(
    Tokens.layer.pipe(
      Layer.provideMerge(Metrics.layer),
      Layer.provide(FetchHttpClient.layer),
      Layer.provide(
        Settings.layerFrom({
          SECRET_KEY: "a-Secret-of-32-bytes-0123456789-abcdef",
          OAUTH_JWKS_URL: provider.jwksUrl,
          OAUTH_ISSUER: provider.issuer,
        }),
      ),
    ),
  )
  const claims = { iss: provider.issuer, sub: "user_1", iat: now, exp: now + 86_400 }
  const verify = (token: string) =>
    Effect.provide(
      Effect.flatMap(Tokens, (service) =>
        Effect.clockWith((clock) => service.verify(token, clock)),
      ),
      context,
    )
  return {
    provider,
    claims,
    context,
    verify,
    /** Returns the subject of a token signed now, or the tag of the error. */
    verdict: (signature?: TokenIssuer.Signature) =>
      provider
        .sign(claims, signature)
        .pipe(
          Effect.flatMap(verify),
          Effect.match({ onSuccess: ({ sub }) => sub, onFailure: (error) => error._tag }),
        ),
  }
})

/** Waits in real time until the provider has received a request. */
const fetched = ({ state }: { readonly state: { readonly fetches: number } }) =>
  turn.pipe(Effect.repeat({ until: () => state.fetches > 0 }))

/** Advances the clock slowly enough for a provider that answers in real time. */
const advanceUntil = (until: () => boolean) =>
  TestClock.withLive(Effect.sleep("5 millis")).pipe(
    Effect.andThen(TestClock.adjust("20 millis")),
    Effect.repeat({ until }),
  )

/**
 * Runs the effect while advancing the clock, for waits that begin after the provider has answered.
 */
const withTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    yield* advanceUntil(() => fiber.pollUnsafe() !== undefined)
    return yield* Fiber.join(fiber)
  })

const turn = Effect.promise(() => new Promise(setImmediate))

const accepted = "user_1"
const refused = "AuthenticationError"
const unavailable = "ServiceUnavailableError"

describe("A token signed with a provider's key", () => {
  it.effect("is accepted for RS256 and ES256, with one fetch for all", () =>
    Effect.gen(function* () {
      const { provider, verdict } = yield* startProvider
      const verdicts = yield* Effect.all(
        Array.from({ length: 20 }, (_, index) =>
          verdict({ algorithm: index % 2 === 0 ? "RS256" : "ES256" }),
        ),
        { concurrency: "unbounded" },
      )
      assert.deepStrictEqual(new Set(verdicts), new Set([accepted]))
      assert.strictEqual(provider.state.fetches, 1)
    }),
  )

  it.effect("may lack a kid", () =>
    Effect.gen(function* () {
      const { verdict } = yield* startProvider
      assert.strictEqual(yield* verdict({ header: { kid: undefined } }), accepted)
    }),
  )

  it.effect("is refused if its claims were changed or another key signed it", () =>
    Effect.gen(function* () {
      const { provider, claims, verify, verdict } = yield* startProvider
      const [header, , signature] = (yield* provider.sign(claims)).split(".")
      const payload = Buffer.from(JSON.stringify({ ...claims, sub: "admin" })).toString("base64url")
      const error = yield* Effect.flip(verify(`${header}.${payload}.${signature}`))
      assert.strictEqual(error._tag, refused)

      const { kid } = provider.state.keys[0]?.jwk ?? {}
      const stranger = yield* TokenIssuer.make
      const forged = yield* stranger.sign(claims, { header: { kid } })
      assert.strictEqual((yield* Effect.flip(verify(forged)))._tag, refused)
      assert.strictEqual(yield* verdict(), accepted)
    }),
  )

  it.effect("is refused if it contains its own key or a URL of one", () =>
    Effect.gen(function* () {
      const { claims, verify } = yield* startProvider
      const stranger = yield* TokenIssuer.make
      const jwk = stranger.state.keys[0]?.jwk
      for (const header of [{ jwk }, { jku: stranger.jwksUrl }, { x5u: stranger.jwksUrl }]) {
        const forged = yield* stranger.sign(claims, { header })
        assert.strictEqual((yield* Effect.flip(verify(forged)))._tag, refused)
      }
      assert.strictEqual(stranger.state.fetches, 0)
    }),
  )

  it.effect("is refused if the public key is used as a shared secret", () =>
    Effect.gen(function* () {
      const { provider, claims, verify, context } = yield* startProvider
      const { jwk } = provider.state.keys[0] ?? {}
      for (const secret of [
        JSON.stringify(jwk),
        jwk?.n ?? "",
        Buffer.from(jwk?.n ?? "", "base64url"),
      ]) {
        const input = [{ alg: "HS256", kid: jwk?.kid }, claims]
          .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
          .join(".")
        const token = `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`
        assert.strictEqual((yield* Effect.flip(verify(token)))._tag, refused)
      }
      const count = countOf("auth_failures_total", { reason: "algorithm" })
      assert.strictEqual(yield* Effect.provide(count, context), 3)
    }),
  )

  it.effect("is refused if its algorithm does not match its key", () =>
    Effect.gen(function* () {
      const { provider, verdict } = yield* startProvider
      const [rsa] = provider.state.keys
      assert.strictEqual(yield* verdict({ algorithm: "ES256", header: { kid: rsa?.kid } }), refused)
    }),
  )
})

describe("Key rotation", () => {
  it.effect("makes new tokens valid within 60 s and old ones invalid", () =>
    Effect.gen(function* () {
      const { provider, claims, verify, verdict } = yield* startProvider
      assert.strictEqual(yield* verdict(), accepted)
      const old = yield* provider.sign(claims)
      yield* provider.rotate
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* verdict(), accepted)
      assert.strictEqual((yield* Effect.flip(verify(old)))._tag, refused)
    }),
  )

  it.effect("fetches the keys at most once in 10 s for unknown key ids", () =>
    Effect.gen(function* () {
      const { provider, verdict } = yield* startProvider
      for (let second = 0; second < 60; second += 1) {
        assert.strictEqual(yield* verdict({ header: { kid: `garbage-${second}` } }), refused)
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(provider.state.fetches, 6)
    }),
  )

  it.effect("ends a remembered token with its key, and keeps one whose key stays", () =>
    Effect.gen(function* () {
      const { provider, claims, verify, verdict } = yield* startProvider
      const token = yield* provider.sign(claims)
      assert.strictEqual((yield* verify(token)).sub, accepted)
      assert.strictEqual((yield* verify(token)).sub, accepted)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* verify(token)).sub, accepted)
      yield* provider.rotate
      yield* TestClock.adjust("10 seconds")
      // A token of the new key makes the provider's keys be fetched.
      assert.strictEqual(yield* verdict(), accepted)
      assert.strictEqual((yield* Effect.flip(verify(token)))._tag, refused)
    }),
  )

  it.effect("drops a withdrawn key even if no token names a new one", () =>
    Effect.gen(function* () {
      const { provider, claims, verify, verdict } = yield* startProvider
      assert.strictEqual(yield* verdict(), accepted)
      const old = yield* provider.sign(claims)
      yield* provider.rotate
      yield* TestClock.adjust("10 minutes")
      const exit = yield* Effect.exit(verify(old)).pipe(
        Effect.tap(() => turn),
        Effect.repeat({ until: Exit.isFailure }),
      )
      assert.include(String(exit), refused)
    }),
  )
})

describe("A signature", () => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

  it.effect("has one valid encoding", () =>
    Effect.gen(function* () {
      const { provider, claims, verify, context } = yield* startProvider
      for (const algorithm of ["RS256", "ES256"] as const) {
        const token = yield* provider.sign(claims, { algorithm })
        const at = alphabet.indexOf(token.slice(-1))
        for (let bits = 1; bits < 16; bits += 1) {
          // The last character encodes two bits of the signature, and four unused bits.
          const other = `${token.slice(0, -1)}${alphabet[at ^ bits]}`
          assert.strictEqual((yield* Effect.flip(verify(other)))._tag, refused, `${bits}`)
        }
        assert.strictEqual((yield* verify(token)).sub, accepted)
      }
      const count = countOf("auth_failures_total", { reason: "signature" })
      assert.strictEqual(yield* Effect.provide(count, context), 30)
    }),
  )

  it.effect("a signature of ES256 is (r, s) in 64 bytes, or (r, -s), but never DER", () =>
    Effect.gen(function* () {
      const { provider, claims, verify } = yield* startProvider
      const token = yield* provider.sign(claims, { algorithm: "ES256" })
      const input = token.slice(0, token.lastIndexOf("."))
      const signature = Buffer.from(token.slice(input.length + 1), "base64url")
      const [r, s] = [signature.subarray(0, 32), signature.subarray(32)]
      const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
      const negative = (order - BigInt(`0x${s.toString("hex")}`)).toString(16).padStart(64, "0")
      const signed = (bytes: Buffer) => verify(`${input}.${bytes.toString("base64url")}`)
      const twin = Buffer.concat([r, Buffer.from(negative, "hex")])
      assert.strictEqual((yield* signed(twin)).sub, accepted)

      const integer = Buffer.from([2, 33, 0])
      const der = Buffer.concat([Buffer.from([0x30, 70]), integer, r, integer, s])
      for (const other of [der, signature.subarray(0, 63), Buffer.concat([signature, r])]) {
        assert.strictEqual((yield* Effect.flip(signed(other)))._tag, refused)
      }
    }),
  )
})

describe("VerificationKey.fromSet", () => {
  it.effect("accepts keys for RS256 or ES256 that no property rules out", () =>
    Effect.gen(function* () {
      const provider = yield* TokenIssuer.make
      const [rsa = {}, ec = {}] = provider.state.keys.map(({ jwk }) => jwk)
      const used = { RS256: "RS256", ES256: "ES256" } as const
      for (const [jwk, change, expected] of [
        [rsa, {}, used.RS256],
        [ec, {}, used.ES256],
        [rsa, { kid: undefined, use: undefined, alg: undefined }, used.RS256],
        [ec, { key_ops: ["verify"] }, used.ES256],
        [rsa, { key_ops: ["sign", "verify"], use: undefined }, used.RS256],
        [rsa, { e: "AAEAAQ" }, used.RS256],
        [rsa, { e: "AQAD" }, used.RS256],
        [rsa, { e: "AQ" }, "weak"],
        [rsa, { e: "Aw" }, "weak"],
        [rsa, { e: "__8" }, "weak"],
        [rsa, { e: "AQAA" }, "weak"],
        [rsa, { e: "AQAC" }, "weak"],
        [rsa, { e: "" }, "weak"],
        [rsa, { e: Buffer.alloc(33, 255).toString("base64url") }, "weak"],
        [rsa, { n: Buffer.alloc(255, 255).toString("base64url") }, "weak"],
        [rsa, { n: Buffer.alloc(1025, 255).toString("base64url") }, "weak"],
        [rsa, { use: "enc" }, "use"],
        [rsa, { use: null }, "use"],
        [rsa, { key_ops: [] }, "use"],
        [rsa, { key_ops: ["sign"] }, "use"],
        [ec, { key_ops: "verify" }, "use"],
        [ec, { key_ops: ["verify", "verify"] }, "use"],
        [ec, { key_ops: ["verify", "encrypt"] }, "use"],
        [rsa, { alg: "RS512" }, "algorithm"],
        [rsa, { alg: "ES256" }, "algorithm"],
        [ec, { crv: "P-384" }, "algorithm"],
        [ec, { kty: "OKP" }, "algorithm"],
        [rsa, { d: "AQAB" }, "private"],
        [ec, { d: "AQAB" }, "private"],
        [{}, { kty: "oct", k: "eHg" }, "private"],
        [rsa, { n: undefined }, "malformed"],
        [rsa, { kid: 1 }, "malformed"],
        [ec, { x: ec.y, y: ec.x }, "malformed"],
        [ec, { x: "" }, "malformed"],
      ] as const) {
        const key = JSON.parse(JSON.stringify({ ...jwk, ...change })) as object
        const { refused: reasons, usable } = yield* VerificationKey.fromSet([key])
        const verdicts = [...usable.map(({ algorithm }) => algorithm), ...Object.keys(reasons)]
        assert.deepStrictEqual(verdicts, [expected], JSON.stringify(change))
      }
    }),
  )
})

/** A response with this key set. */
const keySet = (...keys: ReadonlyArray<unknown>) => ({
  status: 200,
  body: JSON.stringify({ keys }),
})

/** Records warnings and errors of the key set, with their annotations. */
const capturingLogger = (lines: Array<unknown>) =>
  Logger.layer([
    Logger.make(({ fiber, logLevel, message }) => {
      lines.push([logLevel, ...[message].flat(), fiber.getRef(References.CurrentLogAnnotations)])
    }),
  ])

const noUsableKey = ["Error", "provider has no usable signing key; rejecting its tokens", {}]

/** Repeats until a background fetch has removed the key. */
const untilRefused = <E, R>(verdict: Effect.Effect<string, E, R>) =>
  Effect.repeat(Effect.tap(verdict, turn), {
    until: (outcome) => outcome === refused,
    times: 10_000,
  })

describe("A key set", () => {
  it.effect("loses no good key to bad ones beside it, which are logged once", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      yield* Effect.gen(function* () {
        const { provider, verdict } = yield* startProvider
        const [rsa = {}, ec] = provider.state.keys.map(({ jwk }) => jwk)
        const weak = { ...rsa, e: "AQ" }
        const many = Array.from({ length: 61 }, () => ({ ...rsa, use: "enc" }))
        provider.state.behaviour = keySet(null, weak, ec, ...many, rsa, rsa)
        for (let fetchNumber = 0; fetchNumber < 3; fetchNumber += 1) {
          assert.strictEqual(yield* verdict({ algorithm: "ES256" }), accepted)
          assert.strictEqual(yield* verdict(), refused)
          yield* TestClock.adjust("10 seconds")
        }
        assert.strictEqual(provider.state.fetches, 3)
      }).pipe(Effect.provide(capturingLogger(lines)))
      const reasons = { malformed: 1, weak: 1, use: 61, excess: 2 }
      assert.deepStrictEqual(lines, [
        ["Warn", "provider key set contains unusable keys", { reasons }],
      ])
    }),
  )

  for (const [name, keys] of [
    ["became empty", []],
    [
      "has no usable key left",
      [null, { kty: "oct", k: "eHg" }, { kty: "RSA", n: "AQ", e: "AQAB" }],
    ],
  ] as const) {
    it.effect(`a key set that ${name} removes all keys within 10 minutes, and logs it`, () =>
      Effect.gen(function* () {
        const lines: Array<unknown> = []
        yield* Effect.gen(function* () {
          const { provider, verdict } = yield* startProvider
          assert.strictEqual(yield* verdict(), accepted)
          provider.state.behaviour = keySet(...keys)
          yield* TestClock.adjust("599 seconds")
          assert.strictEqual(yield* verdict(), accepted)
          yield* TestClock.adjust("1 second")
          assert.strictEqual(yield* untilRefused(verdict()), refused)
          assert.isAtMost(provider.state.fetches, 3)

          provider.state.behaviour = "keys"
          yield* TestClock.adjust("10 seconds")
          assert.strictEqual(yield* verdict(), accepted)
        }).pipe(Effect.provide(capturingLogger(lines)))
        assert.deepInclude(lines, noUsableKey)
      }),
    )
  }

  it.effect(
    "a key set that became empty during an outage is noticed within a minute after it",
    () =>
      Effect.gen(function* () {
        const { provider, verdict } = yield* startProvider
        assert.strictEqual(yield* verdict(), accepted)
        provider.state.behaviour = { status: 500, body: "{}" }
        yield* TestClock.adjust("10 minutes")
        yield* advanceUntil(() => provider.state.fetches === 3)
        provider.state.behaviour = keySet()
        assert.strictEqual(yield* verdict(), accepted)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* untilRefused(verdict()), refused)
      }),
  )

  it.effect("is fetched again on time when the system clock steps back", () =>
    Effect.gen(function* () {
      const { provider, verify, verdict, claims } = yield* startProvider
      const token = provider.sign({ ...claims, iat: now - 86_400 })
      assert.strictEqual(yield* verdict({ header: { kid: "unknown" } }), refused)
      yield* TestClock.setTime((now - 3600) * 1000)
      yield* provider.rotate
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Effect.flatMap(token, verify)).sub, accepted)
    }),
  )
})

describe("A provider outage", () => {
  const outages: ReadonlyArray<readonly [string, TokenIssuer.Behaviour]> = [
    ["cuts the connection", "cut"],
    ["answers 500", { status: 500, body: "{}" }],
    ["answers something else than JSON", { status: 200, body: "<html>" }],
    ["answers other JSON", { status: 200, body: "[]" }],
    ["answers with keys that are no list", { status: 200, body: '{"keys":{}}' }],
    ["answers with 600 KiB", { status: 200, body: `{"keys":[],"x":"${"x".repeat(600 * 1024)}"}` }],
  ]
  for (const [name, behaviour] of outages) {
    it.effect(`a provider that ${name} keeps known keys valid, and gives 503 without any`, () =>
      Effect.gen(function* () {
        const { provider, verdict } = yield* startProvider
        provider.state.behaviour = behaviour
        assert.strictEqual(yield* withTime(verdict()), unavailable)
        provider.state.behaviour = "keys"
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(yield* verdict(), accepted)

        provider.state.behaviour = behaviour
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* verdict(), accepted)
      }),
    )
  }

  it.effect(
    "a provider that hangs gives 503 after 3 s, immediately for the next 5 s, with an exact Retry-After",
    () =>
      Effect.gen(function* () {
        const { provider, claims, verify, verdict, context } = yield* startProvider
        provider.state.behaviour = "hang"
        const token = yield* provider.sign(claims)
        const waiting = yield* Effect.forkChild(Effect.flip(verify(token)))
        yield* fetched(provider)
        yield* TestClock.adjust("3 seconds")
        const error = yield* Fiber.join(waiting)
        assert.strictEqual(error._tag, unavailable)
        assert.strictEqual("retry_after" in error && error.retry_after, 5)

        provider.state.behaviour = "keys"
        yield* TestClock.adjust("2 seconds")
        const next = yield* Effect.flip(verify(token))
        assert.strictEqual("retry_after" in next && next.retry_after, 3)
        assert.isAtMost(provider.state.fetches, 2)
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(yield* verdict(), accepted)
        const count = countOf("auth_failures_total", { reason: "unavailable" })
        assert.strictEqual(yield* Effect.provide(count, context), 2)
      }),
  )

  it.effect("a single failed request is retried, so that sign-in works", () =>
    Effect.gen(function* () {
      for (const behaviour of ["cut", "hang", { status: 500, body: "{}" }] as const) {
        const { provider, verdict, context } = yield* startProvider
        provider.state.behaviour = behaviour
        const waiting = yield* Effect.forkChild(verdict())
        yield* fetched(provider)
        provider.state.behaviour = "keys"
        yield* advanceUntil(() => provider.state.fetches === 2)
        assert.strictEqual(yield* Fiber.join(waiting), accepted)
        assert.strictEqual(provider.state.fetches, 2)
        const labels = { service: "jwks", operation: "fetch", status: "success" }
        const calls = countOf("external_service_requests_total", labels)
        assert.strictEqual(yield* Effect.provide(calls, context), 1)
      }
    }),
  )

  it.effect(
    "a long outage is probed every 30 s, keeps known keys valid, and sets Retry-After",
    () =>
      Effect.gen(function* () {
        const { provider, claims, verify, verdict, context } = yield* startProvider
        const state = Effect.provide(countOf("circuit_breaker_state", { service: "jwks" }), context)
        const unknown = yield* provider.sign(claims, { header: { kid: "unknown" } })
        assert.strictEqual(yield* verdict(), accepted)
        assert.strictEqual(yield* state, 0)
        provider.state.behaviour = { status: 500, body: "{}" }
        yield* TestClock.adjust("10 seconds")

        let retryAfter = 0
        for (let fetchNumber = 1; fetchNumber <= 8; fetchNumber += 1) {
          const error = yield* withTime(Effect.flip(verify(unknown)))
          assert.strictEqual(error._tag, unavailable)
          assert.strictEqual(provider.state.fetches, 1 + 2 * fetchNumber)
          retryAfter = "retry_after" in error ? (error.retry_after ?? 0) : 0
          yield* TestClock.adjust(`${retryAfter} seconds`)
          assert.strictEqual(yield* verdict(), accepted)
        }
        assert.strictEqual(retryAfter, 30)
        assert.strictEqual(yield* state, 2)

        provider.state.behaviour = "keys"
        assert.strictEqual(yield* verdict({ header: { kid: "unknown" } }), refused)
        assert.strictEqual(yield* state, 0)
      }),
  )

  it.effect("does not cancel the shared fetch when one caller gives up", () =>
    Effect.gen(function* () {
      const { provider, claims, verify } = yield* startProvider
      provider.state.behaviour = "hang"
      const token = yield* provider.sign(claims)
      const [first, second] = yield* Effect.all([
        Effect.forkChild(verify(token)),
        Effect.forkChild(verify(token)),
      ])
      yield* fetched(provider)
      yield* Fiber.interrupt(first)
      yield* provider.release
      assert.strictEqual((yield* Fiber.join(second)).sub, accepted)
      assert.strictEqual(provider.state.fetches, 1)
    }),
  )

  it.effect("is not reported for an empty set: the provider signs with a secret", () =>
    Effect.gen(function* () {
      const { provider, verdict } = yield* startProvider
      provider.state.behaviour = { status: 200, body: '{"keys":[]}' }
      assert.strictEqual(yield* verdict(), refused)
    }),
  )
})
