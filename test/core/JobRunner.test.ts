import { assert, layer } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { JobQueue } from "../../src/core/JobQueue.ts"
import { JobStore } from "../../src/core/JobStore.ts"
import { eventually } from "../fixtures/Eventually.ts"
import { jobs, running, Task, Tasks } from "../fixtures/Jobs.ts"

layer(jobs(), { excludeTestServices: true })("A worker", (it) => {
  it.effect("takes a job that it is told of while it takes another, without looking for it", () =>
    Effect.gen(function* () {
      const tasks = new Tasks()
      const queue = yield* JobQueue
      const store = yield* JobStore
      const taken = yield* Deferred.make<void>()
      const told = yield* Deferred.make<void>()
      yield* running(tasks).pipe(
        Effect.provideService(JobStore, {
          ...store,
          due: () => Effect.succeed([]),
          claim: (name, limit) =>
            Effect.tap(store.claim(name, limit), () =>
              Effect.andThen(Deferred.succeed(taken, undefined), Deferred.await(told)),
            ),
        }),
      )
      yield* queue.enqueue(Task, { task: "first" })
      yield* Deferred.await(taken)
      yield* queue.enqueue(Task, { task: "second" })
      yield* Deferred.succeed(told, undefined)
      yield* eventually(Effect.sync(() => tasks.begun.length === 2))
      assert.deepStrictEqual(
        tasks.begun.map(({ task }) => task),
        ["first", "second"],
      )
    }),
  )
})
