import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Leases } from "../../../src/core/sql/Leases.ts"
import * as TestDatabase from "../../TestDatabase.ts"

/** Leases of one process, with connections of its own to the same database. */
const leasesOfProcess = Effect.flatMap(TestDatabase.TestDatabase, (url) =>
  Effect.map(
    Layer.build(Layer.fresh(Leases.layer.pipe(Layer.provide(TestDatabase.layerFor(url))))),
    (context) => Context.get(context, Leases),
  ),
)

const twoProcesses = Effect.all([leasesOfProcess, leasesOfProcess])

layer(TestDatabase.layer)("Lease", (it) => {
  it.effect("belongs to one process until it is released", () =>
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

  it.effect("lasts while it is renewed, and is free 15 s after the last renewal", () =>
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

  it.effect("goes to one process when many take it concurrently", () =>
    Effect.gen(function* () {
      const [a, b] = yield* twoProcesses
      const taken = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? a : b)),
        ({ take }) => take("wanted"),
        { concurrency: "unbounded" },
      )
      const holders = new Set(taken.flatMap((until, at) => (until === null ? [] : [at % 2])))
      assert.strictEqual(holders.size, 1)
    }),
  )

  it.effect("is held, if shared, as long as one holder renews it", () =>
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
