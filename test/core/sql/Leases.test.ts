import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Leases } from "../../../src/core/sql/Leases.ts"
import * as TestDatabase from "../../TestDatabase.ts"

/** As two processes have it: each with connections of its own to the same database. */
const process = Effect.flatMap(TestDatabase.TestDatabase, (url) =>
  Effect.map(
    Layer.build(Layer.fresh(Leases.layer.pipe(Layer.provide(TestDatabase.layerFor(url))))),
    (context) => Context.get(context, Leases),
  ),
)

const twoProcesses = Effect.all([process, process])

layer(TestDatabase.layer)("A lease", (it) => {
  it.effect("is one process's until it is given back", () =>
    Effect.gen(function* () {
      const [a, b] = yield* twoProcesses
      assert.isFalse(yield* a.isHeld("one"))
      assert.strictEqual(yield* a.take("one"), 15_000)
      assert.isNull(yield* b.take("one"))
      yield* b.release("one")
      assert.isTrue(yield* b.isHeld("one"))
      yield* a.release("one")
      assert.isFalse(yield* b.isHeld("one"))
      assert.isNotNull(yield* b.take("one"))
    }),
  )

  it.effect("is kept by whoever renews it, and free 15 s after he stopped", () =>
    Effect.gen(function* () {
      const [a, b] = yield* twoProcesses
      const start = yield* a.take("kept")
      yield* TestClock.adjust("14 seconds")
      assert.strictEqual(yield* a.take("kept"), (start ?? 0) + 14_000)
      yield* TestClock.adjust("14 seconds")
      assert.isNull(yield* b.take("kept"))
      assert.isTrue(yield* b.isHeld("kept"))
      yield* TestClock.adjust("1 second")
      assert.isFalse(yield* a.isHeld("kept"))
      assert.isNotNull(yield* b.take("kept"))
      assert.isNull(yield* a.take("kept"))
    }),
  )

  it.effect("goes to one of many who want it at once", () =>
    Effect.gen(function* () {
      const [a, b] = yield* twoProcesses
      const taken = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? a : b)),
        ({ take }) => take("wanted"),
        { concurrency: "unbounded" },
      )
      const won = new Set(taken.flatMap((until, at) => (until === null ? [] : [at % 2])))
      assert.strictEqual(won.size, 1)
    }),
  )

  it.effect("that is shared is held as long as one of them goes on", () =>
    Effect.gen(function* () {
      const [a, b] = yield* twoProcesses
      yield* a.share("ours")
      yield* TestClock.adjust("10 seconds")
      yield* b.share("ours")
      yield* TestClock.adjust("14 seconds")
      assert.isTrue(yield* a.isHeld("ours"))
      yield* TestClock.adjust("1 second")
      assert.isFalse(yield* a.isHeld("ours"))
    }),
  )
})
