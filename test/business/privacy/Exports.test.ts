import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Exports } from "../../../src/business/privacy/Exports.ts"
import { JobQueue } from "../../../src/core/jobs/Queue.ts"
import { newUser, TestApp } from "../../TestApp.ts"

layer(TestApp, { excludeTestServices: true })("Exports", (it) => {
  it.effect("starts one export per user, however often they ask while it waits", () =>
    Effect.gen(function* () {
      const exports = yield* Exports
      const queue = yield* JobQueue
      const [user, other] = [newUser(), newUser()]
      const requested = yield* Effect.forEach([user, user, user, other], exports.request, {
        concurrency: "unbounded",
      })
      const [first, ...ids] = requested.map(({ job_id }) => job_id)
      assert.deepStrictEqual(ids.slice(0, 2), [first, first])
      assert.notStrictEqual(ids[2], first)
      assert.lengthOf(yield* queue.list({ user, limit: 10 }), 1)

      yield* queue.cancel(first ?? "")
      assert.notStrictEqual((yield* exports.request(user)).job_id, first)
    }),
  )
})
