import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Audit } from "../../../src/business/audit/Audit.ts"
import { AuditRepo } from "../../../src/business/audit/AuditRepo.ts"
import { Database } from "../../../src/core/sql/Database.ts"
import * as Business from "../../fixtures/data/Business.ts"

const entry = {
  action: "thing.done",
  description: "Done",
  resource_type: "Thing",
  resource_id: "1",
  details: { nested: { list: [1, "two", null] }, unicode: "☃" },
}

layer(Business.layer)("Audit", (it) => {
  it.effect("stores details unchanged, and a null request outside of requests", () =>
    Effect.gen(function* () {
      const audit = yield* Audit
      const repo = yield* AuditRepo
      yield* audit.record("operator", entry)
      const { items } = yield* repo.list(null, { skip: 0, limit: 1 })
      assert.deepInclude(items[0], { ...entry, actor_id: null, request_id: null, ip_address: null })
    }),
  )

  it.effect("rolls back with its transaction", () =>
    Effect.gen(function* () {
      const audit = yield* Audit
      const repo = yield* AuditRepo
      const { transaction } = yield* Database
      const before = yield* repo.count(null)
      yield* Effect.flip(
        transaction(
          Effect.andThen(audit.record("operator", entry), Effect.fail("changed my mind")),
        ),
      )
      assert.strictEqual(yield* repo.count(null), before)
    }),
  )
})
