import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Page } from "../../src/domain/Page.ts"
import type { AdminUser as AdminUserSchema } from "../../src/domain/users/User.ts"
import { newCaller, server } from "../fixtures/http/Callers.ts"
import { bodyOf, failureOf, send } from "../fixtures/http/Http.ts"
import { newUser, tokenFor } from "../TestApp.ts"

const path = "/api/v1/admin/users"
const me = "/api/v1/app/users/me"

type AdminUser = typeof AdminUserSchema.Type

const idsOf = ({ items }: Page<AdminUser>) => items.map(({ id }) => id)

layer(server(), { excludeTestServices: true })("The list of users", (it) => {
  it.effect("is sorted newest first, in pages, and can be filtered and searched", () =>
    Effect.gen(function* () {
      const admin = yield* newCaller("admin")
      const [ada, bob] = [yield* newCaller(), yield* newCaller()]
      const patch = { method: "PATCH", path: me, json: { full_name: "ÄDA 100%" } }
      yield* send({ ...patch, token: ada.token })
      yield* send({ method: "POST", path: `${path}/${bob.id}/deactivate`, token: admin.token })
      const list = (query: string) =>
        Effect.map(send({ path: `${path}?${query}`, token: admin.token }), (answer) => {
          assert.strictEqual(answer.status, 200, answer.text)
          return bodyOf<Page<AdminUser>>(answer)
        })

      const all = yield* list("")
      assert.deepStrictEqual(Object.keys(all).toSorted(), ["items", "limit", "skip", "total"])
      assert.deepStrictEqual(idsOf(all), [bob.id, ada.id, admin.id])
      assert.strictEqual(all.total, 3)
      assert.deepStrictEqual(idsOf(yield* list("skip=1&limit=1")), [ada.id])
      assert.deepStrictEqual(idsOf(yield* list("is_active=false")), [bob.id])
      assert.deepStrictEqual(idsOf(yield* list("is_active=true")), [ada.id, admin.id])
      assert.deepStrictEqual(idsOf(yield* list("role=admin")), [admin.id])
      assert.deepStrictEqual(idsOf(yield* list("role=user&is_active=true")), [ada.id])
      const search = (text: string) => list(`search=${encodeURIComponent(text)}`)
      assert.deepStrictEqual(idsOf(yield* search("äda")), [ada.id])
      assert.deepStrictEqual(idsOf(yield* search("0%")), [ada.id])
      assert.deepStrictEqual(idsOf(yield* search(bob.id.toUpperCase())), [bob.id])
      assert.strictEqual((yield* search("@example.com")).total, 3)
      assert.strictEqual((yield* search("absent")).total, 0)
    }),
  )

  it.effect("refuses invalid filters", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller("admin")
      for (const [name, value] of [
        ["is_active", "yes"],
        ["is_active", "1"],
        ["role", "root"],
        ["limit", "0"],
        ["limit", "101"],
        ["skip", "-1"],
        ["search", "%00"],
      ]) {
        const answer = yield* send({ path: `${path}?${name}=${value}`, token })
        assert.strictEqual(answer.status, 422)
        assert.strictEqual(failureOf(answer).details["field"], name)
      }
    }),
  )
})

layer(server(), { excludeTestServices: true })("/admin/users/{id}", (it) => {
  it.effect("returns exactly the fields of the contract", () =>
    Effect.gen(function* () {
      const admin = yield* newCaller("admin")
      const id = newUser()
      yield* send({ path: me, token: yield* tokenFor(id, { email: `${id}@example.com` }) })
      const answer = yield* send({ path: `${path}/${id}`, token: admin.token })
      const { created_at, last_login_at, updated_at, ...rest } = answer.json as Record<
        string,
        unknown
      >
      assert.deepStrictEqual(rest, {
        id,
        email: `${id}@example.com`,
        full_name: null,
        avatar_url: null,
        role: "user",
        is_active: true,
        subscription_plan: "free",
        subscription_status: "none",
        stripe_customer_id: null,
        apple_original_transaction_id: null,
        google_purchase_token: null,
        login_count: 1,
      })
      assert.deepStrictEqual([typeof created_at, typeof updated_at], ["string", "string"])
      assert.isString(last_login_at)
    }),
  )

  it.effect("answers each unknown id with 404", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller("admin")
      for (const id of ["absent", "%00", "%ed%a0%80", "a".repeat(1000), "..%2f", "%F0%9F%98%80"]) {
        for (const request of [
          { path: `${path}/${id}` },
          { method: "PATCH", path: `${path}/${id}`, json: { full_name: "a" } },
          { method: "POST", path: `${path}/${id}/activate` },
          { method: "POST", path: `${path}/${id}/deactivate` },
        ]) {
          const answer = yield* send({ ...request, token })
          assert.strictEqual(answer.status, 404, `${id}: ${answer.text}`)
        }
      }
    }),
  )

  it.effect("changes role, activity and name with immediate effect", () =>
    Effect.gen(function* () {
      const admin = yield* newCaller("admin")
      const user = yield* newCaller()
      const at = `${path}/${user.id}`
      const patch = (json: object) => send({ method: "PATCH", path: at, token: admin.token, json })
      assert.strictEqual((yield* send({ path, token: user.token })).status, 403)

      const promoted = bodyOf<AdminUser>(yield* patch({ role: "admin", full_name: " Ada " }))
      assert.deepInclude(promoted, { role: "admin", full_name: "Ada", is_active: true })
      assert.strictEqual((yield* send({ path, token: user.token })).status, 200)

      assert.strictEqual(bodyOf<AdminUser>(yield* patch({ is_active: false })).is_active, false)
      assert.strictEqual((yield* send({ path, token: user.token })).status, 403)

      const activated = yield* send({ method: "POST", path: `${at}/activate`, token: admin.token })
      assert.deepInclude(activated.json, { id: user.id, is_active: true, role: "admin" })
      assert.strictEqual((yield* send({ path, token: user.token })).status, 200)

      const cleared = yield* patch({ role: "user", full_name: null })
      assert.deepInclude(cleared.json, { role: "user", full_name: null })
      const same = yield* patch({})
      assert.deepStrictEqual(same.json, cleared.json)
    }),
  )

  it.effect("changes nothing else of a user", () =>
    Effect.gen(function* () {
      const admin = yield* newCaller("admin")
      const { id } = yield* newCaller()
      const before = (yield* send({ path: `${path}/${id}`, token: admin.token })).json
      const answer = yield* send({
        method: "PATCH",
        path: `${path}/${id}`,
        token: admin.token,
        json: { id: "x", email: "x@example.com", subscription_plan: "pro", login_count: 9 },
      })
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(answer.json, before)
    }),
  )

  it.effect("reports all issues of a body together", () =>
    Effect.gen(function* () {
      const { id, token } = yield* newCaller("admin")
      const json = { role: "canary", is_active: "canary", full_name: 1 }
      const answer = yield* send({ method: "PATCH", path: `${path}/${id}`, token, json })
      assert.strictEqual(answer.status, 422)
      const issues = failureOf(answer).details["issues"] as ReadonlyArray<{ path: string }>
      assert.deepStrictEqual(issues.map(({ path }) => path).toSorted(), [
        "full_name",
        "is_active",
        "role",
      ])
      assert.notInclude(answer.text, "canary")
    }),
  )

  it.effect("does not let admins demote or deactivate themselves", () =>
    Effect.gen(function* () {
      yield* newCaller("superadmin")
      for (const role of ["admin", "superadmin"] as const) {
        const { id, token } = yield* newCaller(role)
        for (const request of [
          { method: "PATCH", path: `${path}/${id}`, json: { role: "user" } },
          { method: "PATCH", path: `${path}/${id}`, json: { is_active: false } },
          { method: "POST", path: `${path}/${id}/deactivate` },
        ]) {
          const answer = yield* send({ ...request, token })
          assert.strictEqual(answer.status, 409)
          assert.deepStrictEqual(failureOf(answer).details, {
            resource: "User",
            reason: "own_account",
          })
        }
        const named = { method: "PATCH", path: `${path}/${id}`, token, json: { full_name: "Me" } }
        assert.strictEqual((yield* send(named)).status, 200)
      }
    }),
  )

  it.effect("does not let admins change superadmins", () =>
    Effect.gen(function* () {
      const admin = yield* newCaller("admin")
      const [superadmin, user] = [yield* newCaller("superadmin"), yield* newCaller()]
      for (const request of [
        { method: "PATCH", path: `${path}/${superadmin.id}`, json: { role: "user" } },
        { method: "PATCH", path: `${path}/${superadmin.id}`, json: { full_name: "x" } },
        { method: "POST", path: `${path}/${superadmin.id}/deactivate` },
        { method: "PATCH", path: `${path}/${user.id}`, json: { role: "superadmin" } },
        { method: "PATCH", path: `${path}/${admin.id}`, json: { role: "superadmin" } },
      ]) {
        const answer = yield* send({ ...request, token: admin.token })
        assert.strictEqual(answer.status, 403)
        assert.deepStrictEqual(failureOf(answer).details, { reason: "superadmin_required" })
      }
      const granted = yield* send({
        method: "PATCH",
        path: `${path}/${user.id}`,
        token: superadmin.token,
        json: { role: "superadmin" },
      })
      assert.deepInclude(granted.json, { role: "superadmin" })
    }),
  )
})

layer(server(), { excludeTestServices: true })("The last admin", (it) => {
  it.effect("cannot close their account until another admin exists", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller("admin")
      const close = send({ method: "DELETE", path: me, token })
      const refused = yield* close
      assert.strictEqual(refused.status, 409)
      assert.deepStrictEqual(failureOf(refused).details, { resource: "User", reason: "last_admin" })
      assert.strictEqual((yield* send({ path, token })).status, 200)
      yield* newCaller("admin")
      assert.strictEqual((yield* close).status, 204)
    }),
  )
})
