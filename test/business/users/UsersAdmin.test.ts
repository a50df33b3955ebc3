import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import type { Actor } from "../../../src/business/audit/Audit.ts"
import { Projects } from "../../../src/business/projects/Projects.ts"
import { Users } from "../../../src/business/users/Users.ts"
import { userIdColumns } from "../../../src/business/PersonalData.ts"
import { ConflictError } from "../../../src/domain/Errors.ts"
import {
  type AdminUserPatch,
  type Role,
  type User,
  UserId,
} from "../../../src/domain/users/User.ts"
import { RequestInfo } from "../../../src/domain/RequestInfo.ts"
import * as Business from "../../fixtures/data/Business.ts"

const create = (sub: string, role: Role = "user") =>
  Effect.flatMap(Users, (users) =>
    users.create({
      id: UserId.make(sub),
      email: `${sub}@example.com`,
      full_name: `Name of ${sub}`,
      role,
    }),
  )

const actor = ({ id, email, role }: User): Exclude<Actor, "operator"> => ({
  id,
  email,
  role,
  actor: null,
})

/** Returns the reason of a refusal, or `ok`. */
const verdict = <A, E>(attempt: Effect.Effect<A, E>) =>
  Effect.match(attempt, {
    onSuccess: () => "ok",
    onFailure: (error) =>
      typeof error === "object" && error !== null && "reason" in error
        ? String(error.reason)
        : String(error),
  })

const change = (who: Actor, target: User, patch: AdminUserPatch) =>
  Effect.flatMap(Users, (users) => users.updateAsAdmin(who, target.id, patch))

const auditOf = (id: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) =>
      sql<Record<string, unknown>>`
        SELECT * FROM audit_logs WHERE resource_id = ${id} ORDER BY created_at, id
      `,
  )

/** Removes all users, so that totals and the last admin depend on this test alone. */
const deleteUsers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`DELETE FROM audit_logs`
  yield* sql`DELETE FROM projects`
  yield* sql`DELETE FROM users`
})

layer(Business.layer)("Users", (it) => {
  it.effect("lists newest first, by activity, role and a part of name or e-mail", () =>
    Effect.gen(function* () {
      yield* deleteUsers
      const users = yield* Users
      const names = ["anna", "Ánna", "bob", "100%"]
      for (const name of names) {
        yield* create(name)
        yield* TestClock.adjust("1 second")
      }
      yield* users.deactivate("operator", UserId.make("bob"))
      yield* users.updateAsAdmin("operator", UserId.make("anna"), { role: "admin" })
      const found = (query: Partial<Parameters<typeof users.list>[0]>) =>
        Effect.map(users.list({ skip: 0, limit: 20, ...query }), ({ items, total }) => {
          assert.strictEqual(total, items.length)
          return items.map(({ id }): string => id)
        })
      assert.deepStrictEqual(yield* found({}), names.toReversed())
      assert.deepStrictEqual(yield* found({ is_active: false }), ["bob"])
      assert.deepStrictEqual(yield* found({ role: "admin" }), ["anna"])
      assert.deepStrictEqual(yield* found({ search: "ÁNNA@" }), ["Ánna"])
      assert.deepStrictEqual(yield* found({ search: "name of b" }), ["bob"])
      assert.deepStrictEqual(yield* found({ search: "%" }), ["100%"])
      assert.deepStrictEqual(yield* found({ search: "" }), names.toReversed())
      assert.deepStrictEqual(yield* found({ search: "b", is_active: true, role: "admin" }), [])
      const page = yield* users.list({ skip: 1, limit: 2 })
      assert.strictEqual(page.total, 4)
      assert.deepStrictEqual(
        page.items.map(({ id }): string => id),
        ["bob", "Ánna"],
      )
    }),
  )

  it.effect("updates a user's own name and picture, and nothing for an empty patch", () =>
    Effect.gen(function* () {
      yield* deleteUsers
      const users = yield* Users
      const created = yield* create("self")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* users.update(created.id, {}), created)
      const named = yield* users.update(created.id, {
        full_name: null,
        avatar_url: "https://a.b/c",
      })
      assert.isNull(named.full_name)
      assert.strictEqual(named.avatar_url, "https://a.b/c")
      assert.isAbove(Date.parse(named.updated_at), Date.parse(created.updated_at))
      assert.deepStrictEqual(yield* users.get(created.id), named)
    }),
  )

  it.effect("creates a user who signs in later, and refuses a duplicate id or e-mail", () =>
    Effect.gen(function* () {
      yield* deleteUsers
      const users = yield* Users
      yield* create("made", "superadmin")
      const again = { id: UserId.make("made"), email: null, full_name: null, role: "user" } as const
      assert.strictEqual(yield* verdict(users.create(again)), "duplicate")
      const taken = { ...again, id: UserId.make("other"), email: "MADE@example.com" }
      assert.strictEqual(yield* verdict(users.create(taken)), "email_taken")

      yield* TestClock.setTime(Business.start * 1000)
      const user = yield* Effect.clockWith((clock) =>
        users.resolve(Business.identity("made"), clock),
      )
      assert.strictEqual(user.role, "superadmin")
      assert.strictEqual(user.login_count, 1)
      const [entry] = yield* auditOf("made")
      assert.deepInclude(entry, { action: "user.created", actor_id: null, actor_role: null })
    }),
  )

  it.effect("lets admins change users within the rules", () =>
    Effect.gen(function* () {
      yield* deleteUsers
      const [root, chief, admin, other, user] = yield* Effect.all([
        create("root", "superadmin"),
        create("chief", "superadmin"),
        create("admin", "admin"),
        create("other", "admin"),
        create("user"),
      ])
      const rules: ReadonlyArray<readonly [Actor, User, AdminUserPatch, string]> = [
        [actor(admin), admin, { role: "user" }, "own_account"],
        [actor(admin), admin, { is_active: false }, "own_account"],
        [actor(admin), admin, { full_name: "Me" }, "ok"],
        [actor(admin), admin, { role: "admin", is_active: true }, "ok"],
        [actor(admin), admin, { role: "superadmin" }, "superadmin_required"],
        [actor(admin), user, { role: "superadmin" }, "superadmin_required"],
        [actor(admin), root, { full_name: "x" }, "superadmin_required"],
        [actor(admin), root, { is_active: false }, "superadmin_required"],
        [actor(admin), root, {}, "superadmin_required"],
        [actor(root), root, { role: "admin" }, "own_account"],
        [actor(root), chief, { role: "admin" }, "ok"],
        [actor(root), chief, { role: "superadmin" }, "ok"],
        [actor(user), other, { role: "user" }, "role_required"],
        [actor(admin), user, { role: "admin" }, "ok"],
        [actor(admin), user, { role: "user" }, "ok"],
        [actor(admin), other, { role: "user" }, "ok"],
        [actor(other), user, { full_name: "x" }, "role_required"],
        ["operator", user, { role: "superadmin" }, "ok"],
      ]
      const users = yield* Users
      for (const [who, target, patch, expected] of rules) {
        const name = `${who === "operator" ? who : who.id} on ${target.id} ${JSON.stringify(patch)}`
        assert.strictEqual(
          yield* verdict(users.updateAsAdmin(who, target.id, patch)),
          expected,
          name,
        )
      }
      const missing = yield* Effect.flip(
        users.updateAsAdmin(actor(root), UserId.make("nobody"), { role: "user" }),
      )
      assert.strictEqual(missing._tag, "NotFoundError")
    }),
  )

  it.effect("refuses to remove the last active admin, whoever asks", () =>
    Effect.gen(function* () {
      yield* deleteUsers
      const users = yield* Users
      const last = yield* create("last", "admin")
      const idle = yield* create("idle", "admin")
      yield* users.deactivate("operator", idle.id)
      const self = { ...actor(last), plan: last.subscription_plan }
      const demotion = users.updateAsAdmin("operator", last.id, { role: "user" })
      assert.strictEqual(yield* verdict(demotion), "last_admin")
      assert.strictEqual(yield* verdict(users.deactivate("operator", last.id)), "last_admin")
      assert.strictEqual(yield* verdict(users.deactivateSelf(self)), "last_admin")
      assert.isTrue((yield* users.get(last.id)).is_active)

      yield* users.activate("operator", idle.id)
      assert.strictEqual(yield* verdict(users.deactivateSelf(self)), "ok")
      assert.isFalse((yield* users.get(last.id)).is_active)
    }),
  )

  it.effect("leaves one admin when two demote each other concurrently", () =>
    Effect.gen(function* () {
      const other = yield* Business.anotherProcess
      for (let round = 0; round < 10; round += 1) {
        yield* deleteUsers
        const [one, two] = yield* Effect.all([create("one", "admin"), create("two", "admin")])
        const verdicts = yield* Effect.all(
          [
            Effect.exit(change(actor(one), two, { role: "user" })),
            Effect.provide(Effect.exit(change(actor(two), one, { is_active: false })), other),
          ],
          { concurrency: "unbounded" },
        )
        assert.strictEqual(verdicts.filter(({ _tag }) => _tag === "Success").length, 1)
        const users = yield* Users
        const admins = yield* users.list({ skip: 0, limit: 9, is_active: true, role: "admin" })
        assert.strictEqual(admins.total, 1)
      }
    }),
  )

  it.effect("records what changed, the actor and the request", () =>
    Effect.gen(function* () {
      yield* deleteUsers
      const admin = yield* create("auditor", "superadmin")
      const user = yield* create("audited")
      yield* TestClock.adjust("1 second")
      const patch = { role: "admin", is_active: false, full_name: "New" } as const
      const request = {
        request_id: "req-1",
        ip_address: "192.0.2.1",
        user_id: admin.id,
        caller: null,
      }
      yield* Effect.provideService(
        change({ ...actor(admin), actor: UserId.make("imp") }, user, patch),
        RequestInfo,
        request,
      )
      yield* change(actor(admin), user, patch)
      const rows = (yield* auditOf("audited")).slice(1)
      assert.deepStrictEqual(
        rows.map(({ action, details }) => [action, details]),
        [
          ["user.role_changed", { from: "user", to: "admin" }],
          ["user.deactivated", {}],
          ["user.updated", { fields: ["full_name"] }],
        ],
      )
      for (const row of rows) {
        assert.deepInclude(row, {
          actor_id: "auditor",
          actor_email: "auditor@example.com",
          actor_role: "superadmin",
          impersonator_id: "imp",
          resource_type: "User",
          request_id: "req-1",
          ip_address: "192.0.2.1",
        })
      }
    }),
  )
})

layer(Business.layer)("Users.relink", (it) => {
  it.effect("moves a user with all their data, and lets the new sign-in in", () =>
    Effect.gen(function* () {
      yield* deleteUsers
      yield* TestClock.setTime(Business.start * 1000)
      const users = yield* Users
      const projects = yield* Projects
      const old = yield* Effect.clockWith((clock) =>
        users.resolve(Business.identity("old-sub", { role: "admin" }), clock),
      )
      yield* create("bystander")
      yield* change(actor(old), yield* users.get(UserId.make("bystander")), { role: "admin" })
      const live = yield* projects.create(
        { id: old.id, plan: "free" },
        { name: "Kept", description: null },
      )
      const removed = yield* projects.create(
        { id: old.id, plan: "free" },
        { name: "Gone", description: null },
      )
      yield* projects.remove(old.id, removed.id)

      const newcomer = Business.identity("new-sub", { email: "OLD-SUB@example.com" })
      assert.strictEqual(
        yield* verdict(Effect.clockWith((clock) => users.resolve(newcomer, clock))),
        "email_taken",
      )
      const moved = yield* users.relink(old.id, UserId.make("new-sub"))
      assert.deepStrictEqual(moved, { ...old, id: UserId.make("new-sub") })
      assert.strictEqual(
        (yield* Effect.clockWith((clock) => users.resolve(newcomer, clock))).id,
        "new-sub",
      )
      assert.strictEqual((yield* projects.get(moved.id, live.id)).owner_id, "new-sub")

      const sql = yield* SqlClient.SqlClient
      for (const { column, table } of userIdColumns) {
        const left = yield* sql`SELECT 1 FROM ${sql(table)} WHERE ${sql(column)} = ${"old-sub"}`
        assert.strictEqual(left.length, 0, `${table}.${column}`)
      }
      const [, roleChange] = yield* auditOf("bystander")
      assert.strictEqual(roleChange?.["actor_id"], "new-sub")
      assert.deepInclude((yield* auditOf("new-sub")).at(-1), {
        action: "user.relinked",
        details: { from: "old-sub", to: "new-sub" },
      })
      // The old sign-in has lost its e-mail and counts as a stranger.
      assert.strictEqual(
        yield* verdict(
          Effect.clockWith((clock) => users.resolve(Business.identity("old-sub"), clock)),
        ),
        "email_taken",
      )
    }),
  )

  it.effect("changes nothing if the new id is taken or the old one does not exist", () =>
    Effect.gen(function* () {
      yield* deleteUsers
      const users = yield* Users
      const [from, to] = yield* Effect.all([create("from"), create("to")])
      const error = yield* Effect.flip(users.relink(from.id, to.id))
      assert.instanceOf(error, ConflictError)
      assert.deepStrictEqual(yield* users.get(from.id), from)
      assert.deepStrictEqual(yield* users.get(to.id), to)
      const missing = yield* Effect.flip(users.relink(UserId.make("nobody"), UserId.make("x")))
      assert.strictEqual(missing._tag, "NotFoundError")
      assert.deepStrictEqual(yield* users.relink(from.id, from.id), from)
    }),
  )
})
