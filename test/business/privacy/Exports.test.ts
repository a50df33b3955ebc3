import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Exports } from "../../../src/business/privacy/Exports.ts"
import { JobQueue } from "../../../src/core/jobs/Queue.ts"
import { newUser, TestApp } from "../../TestApp.ts"

layer(TestApp, { excludeTestServices: true })("an export", (it) => {
  it.effect("is made once for each user, however often he asks while it waits", () =>
    Effect.gen(function* () {
      const exports = yield* Exports
      const queue = yield* JobQueue
      const [user, other] = [newUser(), newUser()]
      const asked = yield* Effect.forEach([user, user, user, other], exports.request, {
        concurrency: "unbounded",
      })
      const [first, ...ids] = asked.map(({ job_id }) => job_id)
      assert.deepStrictEqual(ids.slice(0, 2), [first, first])
      assert.notStrictEqual(ids[2], first)
      assert.lengthOf(yield* queue.list({ user, limit: 10 }), 1)

      yield* queue.cancel(first ?? "")
      assert.notStrictEqual((yield* exports.request(user)).job_id, first)
    }),
  )
})
