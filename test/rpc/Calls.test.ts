import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { NotFoundError, ValidationError } from "../../src/domain/Errors.ts"
import { PlinthRpc, withRequestId } from "../../src/rpc/RpcClient.ts"
import { newCaller } from "../fixtures/http/Callers.ts"
import { client, frame, post, rpcServer } from "../fixtures/http/Rpc.ts"
import { added } from "../fixtures/http/Series.ts"
import { newUser } from "../TestApp.ts"

const server = rpcServer([], { PLAN_LIMITS: '{"free":{"projects":1,"api_requests":null}}' })

layer(server, { excludeTestServices: true })("An RPC call", (it) => {
  it.effect("is timed, and counted by method, caller and status", () =>
    Effect.gen(function* () {
      const calls = Effect.gen(function* () {
        const rpc = yield* PlinthRpc
        yield* rpc("jobs.stats", {})
        yield* Effect.flip(rpc("users.get", { id: "nobody" }))
      }).pipe(Effect.provide(client({ caller: "billing" })))
      assert.deepStrictEqual(
        yield* added(calls, "rpc_requests_total", "rpc_request_duration_seconds_count"),
        {
          'rpc_requests_total{method="jobs.stats",caller="billing",status="success"}': 1,
          'rpc_requests_total{method="users.get",caller="billing",status="NOT_FOUND"}': 1,
          'rpc_request_duration_seconds_count{method="jobs.stats"}': 1,
          'rpc_request_duration_seconds_count{method="users.get"}': 1,
        },
      )
    }),
  )

  it.effect(
    "keeps its request id in the answer and in the audit log, where its caller is named",
    () =>
      Effect.gen(function* () {
        const { id } = yield* newCaller()
        const rpc = yield* PlinthRpc
        yield* rpc("users.update", { id, role: "admin" }).pipe(withRequestId("req-42"))
        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql<{ readonly request_id: string; readonly details: string | object }>`
        SELECT request_id, details FROM audit_logs
        WHERE resource_id = ${id} AND action = 'user.role_changed'`
        assert.deepStrictEqual(
          rows.map(({ details, request_id }) => [
            request_id,
            typeof details === "string" ? (JSON.parse(details) as object) : details,
          ]),
          [["req-42", { from: "user", to: "admin", caller: "tests" }]],
        )
        const headers = { "x-request-id": "req-43" }
        const answer = yield* post({ body: frame("jobs.stats"), headers })
        assert.strictEqual(answer.headers["x-request-id"], "req-43")
      }),
  )

  it.effect("records usage for another service, once per source and caller", () =>
    Effect.gen(function* () {
      const { id } = yield* newCaller()
      const rpc = yield* PlinthRpc
      const used = { user_id: id, metric: "file_uploads", source: "render-1", quantity: 3 } as const
      const record = Effect.flatMap(PlinthRpc, (rpc) => rpc("usage.record", used))
      yield* Effect.repeat(record, { times: 2 })
      yield* Effect.provide(record, client({ caller: "other" }))
      const { file_uploads } = yield* rpc("usage.currentPeriod", { user_id: id })
      assert.strictEqual(file_uploads, 6)
      const refused = yield* Effect.flip(rpc("usage.record", { ...used, user_id: "nobody" }))
      assert.instanceOf(refused, NotFoundError)
      const level = yield* Effect.flip(rpc("usage.record", { ...used, metric: "storage_bytes" }))
      assert.instanceOf(level, ValidationError)
    }),
  )

  it.effect("records amounts up to 10^12, and dimensions that both databases can store", () =>
    Effect.gen(function* () {
      const { id } = yield* newCaller()
      const rpc = yield* PlinthRpc
      let cases = 0
      const verdict = (change: object) =>
        rpc("usage.record", {
          user_id: id,
          metric: "file_uploads",
          source: `case-${(cases += 1)}`,
          quantity: 1,
          ...change,
        }).pipe(Effect.match({ onSuccess: () => "recorded", onFailure: ({ message }) => message }))
      const refused = "Request validation failed"
      for (const [change, expected] of [
        [{ quantity: 1_000_000_000_000 }, "recorded"],
        [{ quantity: 1_000_000_000_001 }, refused],
        [{ quantity: Number.MAX_SAFE_INTEGER }, refused],
        [{ quantity: -1 }, refused],
        [{ quantity: 0.5 }, refused],
        [{ dimension: "" }, "recorded"],
        [{ dimension: " kept as it is " }, "recorded"],
        [{ dimension: "😀".repeat(200) }, "recorded"],
        [{ dimension: "😀".repeat(201) }, refused],
        [{ dimension: ` ${"x".repeat(200)}` }, refused],
        [{ dimension: "a\0b" }, refused],
        [{ dimension: "\ud800" }, refused],
        [{ source: "x".repeat(201) }, refused],
        [{ source: `x${" ".repeat(200)}` }, refused],
        [{ source: " " }, refused],
      ] as const) {
        assert.strictEqual(yield* verdict(change), expected, JSON.stringify(change))
      }
      const { breakdown } = yield* rpc("usage.breakdown", { user_id: id, metric: "file_uploads" })
      assert.deepStrictEqual(breakdown, { " kept as it is ": 1, ["😀".repeat(200)]: 1 })
    }),
  )

  it.effect("creates users with plain e-mail addresses, by the rules for tokens", () =>
    Effect.gen(function* () {
      const rpc = yield* PlinthRpc
      const create = (email: string) =>
        rpc("users.create", { id: newUser(), email, full_name: null })
      const email = `ümlaut-${newUser()}@exämple.com`
      assert.strictEqual((yield* create(email)).email, email)
      for (const other of [`Ada <${email}>`, `${email}\u200b`, `mailto:${email}`, ` ${email}`]) {
        assert.instanceOf(yield* Effect.flip(create(other)), ValidationError, other)
      }
    }),
  )

  it.effect("returns the limits of a plan and what remains of them", () =>
    Effect.gen(function* () {
      const { id } = yield* newCaller()
      const rpc = yield* PlinthRpc
      const allowed = (amount: number) =>
        rpc("entitlements.check", { user_id: id, what: "projects", amount })
      assert.deepStrictEqual(yield* allowed(1), { is_allowed: true, limit: 1, remaining: 1 })
      assert.deepStrictEqual(yield* allowed(2), { is_allowed: false, limit: 1, remaining: 1 })
      yield* rpc("projects.create", { owner_id: id, name: "Engine" })
      assert.deepStrictEqual(yield* allowed(1), { is_allowed: false, limit: 1, remaining: 0 })
      const { limits, plan } = yield* rpc("entitlements.get", { user_id: id })
      assert.strictEqual(plan, "free")
      assert.deepStrictEqual(limits.projects, { limit: 1, remaining: 0 })
      yield* rpc("users.deactivate", { id })
      const { is_allowed } = yield* rpc("entitlements.check", { user_id: id, what: "ai_tokens" })
      assert.isFalse(is_allowed)
    }),
  )

  it.effect("sends an e-mail as a job, once per key", () =>
    Effect.gen(function* () {
      const { id } = yield* newCaller()
      const rpc = yield* PlinthRpc
      const mail = { user_id: id, title: "Ready", body: "It is.", unique_key: `ready-${id}` }
      const first = yield* rpc("email.notify", mail)
      assert.isTrue(first.created)
      const job = yield* rpc("jobs.get", { id: first.job_id })
      assert.strictEqual(job.name, "send_notification_email")
      const unknown = yield* Effect.flip(rpc("email.welcome", { user_id: newUser() }))
      assert.instanceOf(unknown, NotFoundError)
      const elsewhere = yield* Effect.flip(rpc("email.notify", { ...mail, path: "//evil.example" }))
      assert.instanceOf(elsewhere, ValidationError)
    }),
  )
})
