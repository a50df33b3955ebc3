import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Entitlements } from "../../../src/business/plans/Entitlements.ts"
import { EntitlementsRepo } from "../../../src/business/plans/EntitlementsRepo.ts"
import { RequestQuota } from "../../../src/business/plans/RequestQuota.ts"
import { Settings } from "../../../src/core/settings/Settings.ts"
import { currentSteadyMillis } from "../../../src/core/SteadyClock.ts"
import { newUser } from "../../TestApp.ts"

/** The usage that the database reports, and the arguments of the calls that read it. */
let used = 0
let reads: Array<readonly [metric: string, day: string]> = []

const tested = (more: Record<string, string>) =>
  RequestQuota.layer.pipe(
    Layer.provide([
      Layer.succeed(EntitlementsRepo, {
        lock: () => Effect.void,
        usedSince: (_user, metric, day) =>
          Effect.sync(() => {
            reads.push([metric, day])
            return used
          }),
      }),
      Layer.succeed(Entitlements, {
        limitOf: (plan) => (plan === "free" ? 5 : null),
        addWithinLimit: () => Effect.die("no project is created"),
      }),
      Settings.layerFrom({ SECRET_KEY: "k".repeat(32), ...more }),
    ]),
  )

const newCaller = () => {
  reads = []
  return { id: newUser(), plan: "free" as const }
}

const at = (time: string) => TestClock.setTime(Date.parse(time))

layer(tested({}))("RequestQuota", (it) => {
  it.effect(
    "reads usage at most every 5 s of steady time, and refuses from the last request on",
    () =>
      Effect.gen(function* () {
        const quota = yield* RequestQuota
        const user = newCaller()
        const isKnownLeft = Effect.map(currentSteadyMillis, (now) =>
          quota.isKnownToHaveRequestsLeft(user, now),
        )
        yield* at("2024-02-29T23:59:50.000Z")
        assert.isFalse(yield* isKnownLeft)
        used = 4
        yield* quota.check(user)
        used = 5
        yield* at("2024-02-29T22:00:00.000Z")
        yield* TestClock.adjust("4999 millis")
        assert.isTrue(yield* isKnownLeft)
        yield* quota.check(user)
        assert.lengthOf(reads, 1)

        yield* TestClock.adjust("1 millis")
        assert.isFalse(yield* isKnownLeft)
        const failure = yield* Effect.flip(quota.check(user))
        assert.include(failure, { metric: "api_requests", limit: 5, used: 5 })
        yield* Effect.flip(quota.check(user))
        assert.isFalse(yield* isKnownLeft)
        assert.lengthOf(reads, 2)

        used = 0
        yield* at("2024-03-01T00:00:00.000Z")
        yield* quota.check(user)
        assert.deepStrictEqual(reads, [
          ["api_requests", "2024-02-01"],
          ["api_requests", "2024-02-01"],
          ["api_requests", "2024-03-01"],
        ])
      }),
  )

  it.effect("reads no usage for a plan without a limit", () =>
    Effect.gen(function* () {
      const quota = yield* RequestQuota
      const user = { ...newCaller(), plan: "enterprise" as const }
      yield* quota.check(user)
      assert.isTrue(quota.isKnownToHaveRequestsLeft(user, 0))
      assert.lengthOf(reads, 0)
    }),
  )

  it.effect("caches 10,000 users, and evicts the oldest", () =>
    Effect.gen(function* () {
      const quota = yield* RequestQuota
      used = 0
      const users = Array.from({ length: 10_001 }, newCaller)
      yield* Effect.forEach(users, quota.check, { discard: true })
      const known = users.map((user) => quota.isKnownToHaveRequestsLeft(user, 0))
      assert.deepStrictEqual(known.slice(0, 2), [false, true])
      assert.isTrue(known.at(-1))
    }),
  )
})

layer(tested({ USAGE_TRACKING_ENABLED: "false" }))("RequestQuota without tracking", (it) => {
  it.effect("has no limit", () =>
    Effect.gen(function* () {
      const quota = yield* RequestQuota
      const user = newCaller()
      used = 6
      yield* quota.check(user)
      assert.isTrue(quota.isKnownToHaveRequestsLeft(user, 0))
      assert.lengthOf(reads, 0)
    }),
  )
})
