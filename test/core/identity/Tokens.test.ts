import { createHmac } from "node:crypto"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { FetchHttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { Metrics } from "../../../src/core/telemetry/Metrics.ts"
import { Settings } from "../../../src/core/settings/Settings.ts"
import { Tokens } from "../../../src/core/identity/Tokens.ts"
import { UserId } from "../../../src/domain/users/User.ts"
import { countOf } from "../../fixtures/data/Counts.ts"

const secrets = [
  "first-Secret-of-32-bytes-0123456789",
  "second-Secret-of-32-bytes-987654321",
] as const
const issuer = "https://id.example.com/"
const audience = "plinth-app"

/** HS256 with SECRET_KEY serves both the provider and our own issuer. */
const environment = {
  SECRET_KEY: secrets.join(","),
  OAUTH_ISSUER: issuer,
  OAUTH_AUDIENCE: audience,
}

const tokens = (variables: Record<string, string>) =>
  Tokens.layer.pipe(
    Layer.provideMerge(Metrics.layer),
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(Settings.layerFrom(variables)),
  )

const verify = (token: string) =>
  Effect.flatMap(Tokens, (service) => Effect.clockWith((clock) => service.verify(token, clock)))

/** 2026-01-01 in Unix seconds. Every test starts at this time. */
const now = 1_767_225_600
const atNow = TestClock.setTime(now * 1000)

const claims = { iss: issuer, aud: audience, sub: "user_1", iat: now - 10, exp: now + 60 }
const own = { iss: "plinth", sub: "user_1", purpose: "access", iat: now, exp: now + 60 }

const base64url = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url")

/** Signs a token with any header and payload. */
const hs256 = (
  payload: unknown,
  {
    header = { alg: "HS256", typ: "JWT" } as unknown,
    secret = secrets[0] as string,
    hash = "sha256",
  } = {},
) => {
  const input = `${base64url(header)}.${base64url(payload)}`
  return `${input}.${createHmac(hash, secret).update(input).digest("base64url")}`
}

const changed = (change: Record<string, unknown>) => hs256({ ...claims, ...change })
const without = (name: keyof typeof claims) => changed({ [name]: undefined })

describe("A valid token", () => {
  layer(tokens(environment))((it) => {
    it.effect("a token of the provider is accepted, with its claims", () =>
      Effect.gen(function* () {
        yield* atNow
        const profile = {
          email: "ada@example.com",
          name: "Ada",
          picture: "https://example.com/a.png",
        }
        const identity = yield* verify(changed({ ...profile, role: "admin" }))
        assert.deepStrictEqual(identity, {
          sub: UserId.make("user_1"),
          email: "ada@example.com",
          full_name: "Ada",
          avatar_url: "https://example.com/a.png",
          role: "admin",
          issued_at: now - 10,
          expires_at: now + 60,
          provider: "custom",
          purpose: "access",
        })
      }),
    )

    it.effect("may be signed with any of the secrets, and may list several audiences", () =>
      Effect.gen(function* () {
        yield* atNow
        for (const secret of secrets) {
          const token = hs256({ ...claims, aud: ["other", audience] }, { secret })
          assert.strictEqual((yield* verify(token)).sub, "user_1")
        }
      }),
    )

    it.effect("a token of our own issuer needs no audience and returns its purpose", () =>
      Effect.gen(function* () {
        yield* atNow
        const { sign } = yield* Tokens
        const token = yield* sign({
          sub: UserId.make("operator-made"),
          email: "op@example.com",
          role: "admin",
          expires_in: 60,
          purpose: "access",
        })
        const identity = yield* verify(Redacted.value(token))
        assert.strictEqual(identity.provider, "plinth")
        assert.strictEqual(identity.email, "op@example.com")
        assert.strictEqual(identity.role, "admin")
        assert.strictEqual(identity.expires_at, now + 60)
        yield* TestClock.adjust("60 seconds")
        const error = yield* Effect.flip(verify(Redacted.value(token)))
        assert.strictEqual("reason" in error && error.reason, "expired_token")
      }),
    )

    it.effect("never grants superadmin, or a role outside of the configured claim", () =>
      Effect.gen(function* () {
        yield* atNow
        for (const change of [
          { role: "superadmin" },
          { role: ["admin"] },
          { app_metadata: { role: "admin" } },
          { user_metadata: { role: "admin" } },
        ]) {
          assert.strictEqual((yield* verify(changed(change))).role, "user")
        }
      }),
    )

    it.effect("a token with a profile that cannot be stored is accepted without it", () =>
      Effect.gen(function* () {
        yield* atNow
        for (const hostile of [
          1,
          true,
          null,
          {},
          ["a@example.com"],
          "",
          "  ",
          "a\0@example.com",
          "\ud800@example.com",
          `${"a".repeat(320)}@example.com`,
        ]) {
          const profile = { email: hostile, name: hostile, picture: hostile }
          const identity = yield* verify(changed({ ...profile, user_metadata: profile }))
          assert.strictEqual(identity.email, null)
          assert.strictEqual(identity.avatar_url, null)
          assert.strictEqual(identity.full_name, null)
        }
        for (const picture of [
          "javascript:alert(1)",
          "http://example.com/a.png",
          "https://user:password@example.com/a.png",
          `https://example.com/${"a".repeat(2048)}`,
        ]) {
          assert.strictEqual((yield* verify(changed({ picture }))).avatar_url, null)
        }
      }),
    )

    it.effect("provides the e-mail that the provider verified, as a plain address, or none", () =>
      Effect.gen(function* () {
        yield* atNow
        const ada = "ada@example.com"
        const eve = "eve@example.com"
        for (const [change, email] of [
          [{ email: ` ${ada} ` }, ada],
          [{ email: "ümlaut@exämple.com" }, "ümlaut@exämple.com"],
          [{ app_metadata: { email: ada } }, ada],
          [{ email: `Ada <${ada}>`, app_metadata: { email: ada } }, ada],
          [{ email: `Ada <${ada}>` }, null],
          [{ email: `${ada},${eve}` }, null],
          [{ email: `mailto:${ada}` }, null],
          [{ email: `${ada}\u200b` }, null],
          [{ email: `\ufeff\u00ad${ada}` }, null],
          [{ email: `${ada}\ufeff` }, null],
          [{ email: `${ada}\n` }, null],
          [{ email: `"ada"@example.com` }, null],
          [{ email: "a@example.com@example.org" }, null],
          // Users can write these claims.
          [{ user_metadata: { email: ada } }, null],
          [{ user_metadata: { email: ada, email_verified: true } }, null],
          [{ email: eve, user_metadata: { email: ada, email_verified: true } }, eve],
          [{ email: ada, user_metadata: { email_verified: false } }, ada],
          // The provider sets these claims.
          [{ email: ada, email_verified: true }, ada],
          [{ email: ada, email_verified: false }, null],
          [{ email: ada, email_verified: "false" }, null],
          [{ email_verified: false, app_metadata: { email: ada } }, null],
          [{ app_metadata: { email: ada, email_verified: false } }, null],
          [{ email: ada, app_metadata: { email: eve, email_verified: false } }, ada],
        ] as const) {
          const identity = yield* verify(changed(change))
          assert.strictEqual(identity.email, email, JSON.stringify(change))
        }
      }),
    )

    it.effect("provides its profile from the claims of Supabase", () =>
      Effect.gen(function* () {
        yield* atNow
        const identity = yield* verify(
          changed({
            email: "not an address",
            app_metadata: { email: "ada@example.com" },
            user_metadata: { full_name: "Ada Lovelace", avatar_url: "https://example.com/a.png" },
          }),
        )
        assert.strictEqual(identity.email, "ada@example.com")
        assert.strictEqual(identity.full_name, "Ada Lovelace")
        assert.strictEqual(identity.avatar_url, "https://example.com/a.png")
      }),
    )
  })
})

/** Each refused token, with its name and the reason it is counted under. */
const refusals: ReadonlyArray<readonly [name: string, token: string, counted: string]> = [
  ["empty", "", "malformed"],
  ["two parts", "a.b", "malformed"],
  ["five parts (encrypted)", "a.b.c.d.e", "malformed"],
  ["a space inside", `${hs256(claims)} `, "malformed"],
  ["longer than 8 KiB", changed({ filler: "x".repeat(8192) }), "malformed"],
  ["an empty signature", hs256(claims).replace(/[^.]*$/, ""), "malformed"],
  ["a header that is not JSON", hs256(claims, { header: "{" }), "malformed"],
  ["a header that is an array", hs256(claims, { header: [] }), "malformed"],
  ["a payload that is not JSON", hs256("{"), "malformed"],
  ["a payload that is null", hs256("null"), "malformed"],
  ["crit", hs256(claims, { header: { alg: "HS256", crit: ["b64"], b64: false } }), "malformed"],
  ["no algorithm", hs256(claims, { header: { typ: "JWT" } }), "algorithm"],
  ["none", hs256(claims, { header: { alg: "none" } }), "algorithm"],
  ["nOnE", hs256(claims, { header: { alg: "nOnE" } }), "algorithm"],
  ["HS512", hs256(claims, { header: { alg: "HS512" }, hash: "sha512" }), "algorithm"],
  ["RS256 with only a secret configured", hs256(claims, { header: { alg: "RS256" } }), "algorithm"],
  ["another secret", hs256(claims, { secret: "x".repeat(32) }), "signature"],
  [
    "its own key in the header",
    hs256(claims, { header: { alg: "HS256", jwk: { kty: "oct", k: "eHg" } }, secret: "xx" }),
    "signature",
  ],
  [
    "a changed payload",
    hs256(claims).replace(/\.[^.]*\./, `.${base64url({ ...claims, sub: "x" })}.`),
    "signature",
  ],
  ["another encoding of the signature", `${hs256(claims)}A`, "signature"],
  ["no issuer", without("iss"), "issuer"],
  ["another issuer", changed({ iss: "https://evil.example.com/" }), "issuer"],
  ["a list of issuers", changed({ iss: [issuer] }), "issuer"],
  ["no audience", without("aud"), "audience"],
  ["another audience", changed({ aud: ["other"] }), "audience"],
  ["no expiry", without("exp"), "claims"],
  ["an expiry as text", changed({ exp: String(now + 60) }), "claims"],
  [
    "an expiry beyond the number range",
    hs256(JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e400')),
    "claims",
  ],
  ["an expiry at this moment", changed({ exp: now }), "expired"],
  ["not valid yet", changed({ nbf: now + 6 }), "not_yet_valid"],
  ["issued in the far future", changed({ iat: now + 61 }), "not_yet_valid"],
  ["issued at a non-number", changed({ iat: "now" }), "claims"],
  ["no subject", without("sub"), "claims"],
  ["an empty subject", changed({ sub: "" }), "claims"],
  ["a blank subject", changed({ sub: "  " }), "claims"],
  ["a number as subject", changed({ sub: 1 }), "claims"],
  ["a subject of 256 characters", changed({ sub: "x".repeat(256) }), "claims"],
  ["a subject with NUL", changed({ sub: "a\0b" }), "claims"],
  ["a lone surrogate as subject", changed({ sub: "\ud800" }), "claims"],
  ["our own issuer without a purpose", hs256({ ...own, purpose: undefined }), "purpose"],
  ["our own issuer with another purpose", hs256({ ...own, purpose: "file" }), "purpose"],
  ["our own issuer, expired", hs256({ ...own, exp: now - 1 }), "expired"],
]

describe("A token is refused and counted if it has", () => {
  layer(tokens(environment))((it) => {
    for (const [name, token, reason] of refusals) {
      it.effect(name, () =>
        Effect.gen(function* () {
          yield* atNow
          const provider = token.includes(base64url({ iss: "plinth" }).slice(0, 18))
            ? "plinth"
            : "custom"
          const counts = Effect.all([
            countOf("auth_failures_total", { reason }),
            countOf("auth_events_total", { event: "failed", provider }),
          ])
          const [failures, events] = yield* counts
          const error = yield* Effect.flip(verify(token))
          assert.strictEqual(error._tag, "AuthenticationError")
          assert.strictEqual(
            "reason" in error && error.reason,
            reason === "expired" ? "expired_token" : "invalid_token",
          )
          assert.deepStrictEqual(yield* counts, [failures + 1, events + 1])
        }),
      )
    }

    it.effect("any other content: with a typed error, never a defect", () =>
      Effect.gen(function* () {
        yield* atNow
        const run = Effect.runSyncWith(yield* Effect.context<Tokens>())
        const refused = (token: string) => run(Effect.isFailure(verify(token)))
        const part = fc.oneof(fc.string(), fc.json(), fc.constant(JSON.stringify({ alg: "HS256" })))
        fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 300 }), refused))
        fc.assert(
          fc.property(part, part, fc.string(), (header, payload, signature) =>
            refused([header, payload, signature].map(base64url).join(".")),
          ),
        )
        fc.assert(fc.property(fc.json({ maxDepth: 4 }), (payload) => refused(hs256(payload))))
      }),
    )
  })
})

describe("Tokens beside a provider's", () => {
  const token = (change: object) =>
    hs256({ sub: "user_1", exp: now + 60, ...change }, { secret: secrets[1] })
  const supabase = { SECRET_KEY: secrets[0], SUPABASE_JWT_SECRET: secrets[1] }

  layer(tokens(supabase))((it) => {
    it.effect("are accepted, each by its own secret only", () =>
      Effect.gen(function* () {
        yield* atNow
        const token = { sub: "user_1", exp: now + 60 }
        const provider = yield* verify(hs256(token, { secret: secrets[1] }))
        assert.strictEqual(provider.provider, "supabase")
        assert.strictEqual(provider.issued_at, null)
        assert.strictEqual((yield* verify(hs256(own))).provider, "plinth")

        yield* Effect.flip(verify(hs256(token, { secret: secrets[0] })))
        yield* Effect.flip(verify(hs256(own, { secret: secrets[1] })))
      }),
    )

    it.effect("take the role of a Supabase user from app_metadata, which users cannot write", () =>
      Effect.gen(function* () {
        yield* atNow
        assert.strictEqual(
          (yield* verify(token({ app_metadata: { role: "admin" } }))).role,
          "admin",
        )
        assert.strictEqual((yield* verify(token({ role: "admin" }))).role, "user")
        assert.strictEqual(
          (yield* verify(token({ user_metadata: { role: "admin" } }))).role,
          "user",
        )
      }),
    )
  })
})

describe("AUTH_ROLE_CLAIM", () => {
  layer(
    tokens({
      SECRET_KEY: secrets[0],
      OAUTH_ISSUER: issuer,
      AUTH_ROLE_CLAIM: "https://example.com/role",
    }),
  )((it) => {
    it.effect("may be a URL, as some providers require", () =>
      Effect.gen(function* () {
        yield* atNow
        const { role } = yield* verify(changed({ "https://example.com/role": "admin" }))
        assert.strictEqual(role, "admin")
        assert.strictEqual((yield* verify(changed({ role: "admin" }))).role, "user")
      }),
    )
  })
})
