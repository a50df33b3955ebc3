import { createSecretKey } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Jwt from "../../src/core/identity/Jwt.ts"
import { type User, UserId } from "../../src/domain/users/User.ts"
import { newCaller, server } from "../fixtures/http/Callers.ts"
import { bodyOf, failureOf, send } from "../fixtures/http/Http.ts"
import { environment, newUser, tokenFor } from "../TestApp.ts"

const path = "/api/v1/app/users/me"

const secretKey = createSecretKey(String(environment["SECRET_KEY"]), "utf8")

layer(server(), { excludeTestServices: true })("/app/users/me", (it) => {
  it.effect("is created by the first request, with exactly the fields of the contract", () =>
    Effect.gen(function* () {
      const id = newUser()
      const token = yield* tokenFor(id, { email: "Ada@Example.com" })
      const answer = yield* send({ path, token })
      assert.strictEqual(answer.status, 200)
      const { created_at, updated_at, ...rest } = answer.json as Record<string, unknown>
      assert.deepStrictEqual(rest, {
        id,
        email: "Ada@Example.com",
        full_name: null,
        avatar_url: null,
        role: "user",
        is_active: true,
        subscription_plan: "free",
        subscription_status: "none",
      })
      assert.strictEqual(created_at, updated_at)
      assert.deepStrictEqual((yield* send({ path, token })).json, answer.json)
    }),
  )

  it.effect("accepts any sub, also without an e-mail address", () =>
    Effect.gen(function* () {
      for (const sub of ["auth0|123", "😀", "a".repeat(255), "../../admin", "' OR 1=1 --", "%00"]) {
        const token = yield* tokenFor(UserId.make(sub))
        const answer = yield* send({ path, token })
        assert.strictEqual(answer.status, 200, answer.text)
        assert.deepInclude(answer.json, { id: sub, email: null })
      }
    }),
  )

  it.effect("refuses a new sub whose e-mail address belongs to another user", () =>
    Effect.gen(function* () {
      yield* send({ path, token: yield* tokenFor(newUser(), { email: "Owned@example.com" }) })
      const token = yield* tokenFor(newUser(), { email: "oWNED@EXAMPLE.com" })
      const answer = yield* send({ path, token })
      assert.strictEqual(answer.status, 409)
      assert.deepStrictEqual(failureOf(answer).details, { resource: "User", reason: "email_taken" })
      assert.notInclude(answer.text.toLowerCase(), "owned@")
    }),
  )

  it.effect("does not let a token take another user's e-mail address, in any spelling", () =>
    Effect.gen(function* () {
      const email = `${newUser()}@example.com`
      for (const claims of [
        ...["\u200b", "\u200f", "\u2060", "\ufeff", "\u00ad", "\ufe0f", "\0"].map((hidden) => ({
          email: `${email}${hidden}`,
        })),
        { email: `Eve <${email}>` },
        { email: `<${email}>` },
        { email: `${email},eve@example.com` },
        { email: `mailto:${email}` },
        { email: email.replace("example", "\uff45xample") },
        { email: email.replace("@", "@\u0301") },
        { email, email_verified: false },
        { user_metadata: { email } },
      ]) {
        const exp = 4_102_444_800
        const token = Jwt.sign({ sub: newUser(), exp, ...claims }, secretKey)
        const answer = yield* send({ path, token })
        assert.strictEqual(answer.status, 200, answer.text)
        assert.deepInclude(answer.json, { email: null }, JSON.stringify(claims))
      }
      const owner = yield* send({ path, token: yield* tokenFor(newUser(), { email }) })
      assert.deepInclude(owner.json, { email })
    }),
  )

  it.effect("changes the fields in PATCH, clears null fields, and keeps the rest", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const patch = (json: object) => send({ method: "PATCH", path, token, json })
      const before = bodyOf<User>(yield* send({ path, token }))

      const same = yield* patch({})
      assert.strictEqual(same.status, 200)
      assert.deepStrictEqual(same.json, before)

      const avatar_url = "https://example.com/ada.png?size=1#top"
      const changed = bodyOf<User>(yield* patch({ full_name: " Ada 😀 ", avatar_url }))
      assert.deepStrictEqual(changed, {
        ...before,
        full_name: "Ada 😀",
        avatar_url,
        updated_at: changed.updated_at,
      })
      const cleared = bodyOf<User>(yield* patch({ full_name: null }))
      assert.isNull(cleared.full_name)
      assert.strictEqual(cleared.avatar_url, avatar_url)
      assert.deepStrictEqual((yield* send({ path, token })).json, cleared)
    }),
  )

  it.effect("ignores fields that the server sets", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const before = (yield* send({ path, token })).json
      const answer = yield* send({
        method: "PATCH",
        path,
        token,
        json: {
          id: "other",
          email: "other@example.com",
          email_key: "other@example.com",
          role: "superadmin",
          is_active: false,
          subscription_plan: "enterprise",
          subscription_status: "active",
          stripe_customer_id: "cus_1",
          login_count: 99,
          created_at: "2000-01-01T00:00:00.000Z",
        },
      })
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(answer.json, before)
      const admin = yield* send({ path: "/api/v1/admin/users", token })
      assert.strictEqual(admin.status, 403)
      assert.deepStrictEqual(failureOf(admin).details, { reason: "role_required" })
    }),
  )

  const texts: ReadonlyArray<
    readonly [field: "full_name" | "avatar_url", value: unknown, ok: boolean]
  > = [
    ["full_name", "😀".repeat(255), true],
    ["full_name", "😀".repeat(256), false],
    ["full_name", "", true],
    ["full_name", 1, false],
    ["full_name", ["a"], false],
    ["full_name", "a\u0000", false],
    ["avatar_url", `https://example.com/${"a".repeat(2048 - 20)}`, true],
    ["avatar_url", `https://example.com/${"a".repeat(2049 - 20)}`, false],
    ["avatar_url", "HTTPS://EXAMPLE.COM/a", true],
    ["avatar_url", "http://example.com/a", false],
    ["avatar_url", "javascript:alert(1)", false],
    ["avatar_url", "data:text/html,x", false],
    ["avatar_url", "//example.com/a", false],
    ["avatar_url", "https://", false],
    ["avatar_url", "https://user:password@example.com/a", false],
    ["avatar_url", "https://example.com/a b", false],
    ["avatar_url", "", false],
  ]
  for (const [field, value, ok] of texts) {
    const name = JSON.stringify(value).slice(0, 40)
    it.effect(`${ok ? "accepts" : "refuses"} the ${field} ${name}`, () =>
      Effect.gen(function* () {
        const { token } = yield* newCaller()
        const answer = yield* send({ method: "PATCH", path, token, json: { [field]: value } })
        assert.strictEqual(answer.status, ok ? 200 : 422, answer.text)
        if (ok) assert.strictEqual(bodyOf<User>(answer)[field], value)
        else assert.strictEqual(failureOf(answer).details["field"], field)
      }),
    )
  }

  it.effect("answers 403 for a closed account everywhere, with any token", () =>
    Effect.gen(function* () {
      const { id, token } = yield* newCaller()
      const removed = yield* send({ method: "DELETE", path, token })
      assert.strictEqual(removed.status, 204)
      const another = yield* tokenFor(id, { role: "admin" })
      for (const request of [
        { path, token },
        { path, token: another },
        { path: "/api/v1/app/projects", token },
        { path: "/api/v1/app/projects", token, json: { name: "a" } },
        { path: "/api/v1/admin/users", token: another },
      ]) {
        const answer = yield* send(request)
        assert.strictEqual(answer.status, 403)
        assert.deepStrictEqual(failureOf(answer).details, { reason: "deactivated" })
      }
    }),
  )

  const refused: ReadonlyArray<readonly [what: string, authorization: string, reason: string]> = [
    ["another scheme", "Basic YWRhOmFkYQ==", "missing_token"],
    ["no token", "Bearer", "missing_token"],
    ["two tokens", "Bearer a b", "missing_token"],
    ["a token that is not a JWT", "Bearer canary", "invalid_token"],
    ["a bad signature", `Bearer ${["canary", "canary", "canary"].join(".")}`, "invalid_token"],
    ["a long text", `Bearer ${"a".repeat(8000)}`, "invalid_token"],
  ]
  for (const [what, authorization, reason] of refused) {
    it.effect(`answers 401 to ${what}`, () =>
      Effect.gen(function* () {
        const answer = yield* send({ path, headers: { authorization } })
        assert.strictEqual(answer.status, 401)
        assert.strictEqual(failureOf(answer).details["reason"], reason)
        assert.notInclude(answer.text, "canary")
      }),
    )
  }

  it.effect("accepts the scheme in any letter case", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      for (const scheme of ["bearer", "BEARER", "Bearer "]) {
        const headers = { authorization: `${scheme} ${token}` }
        assert.strictEqual((yield* send({ path, headers })).status, 200)
      }
    }),
  )
})
