import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { Claims } from "../../../src/business/idempotency/Claims.ts"
import { IdempotencyRepo } from "../../../src/business/idempotency/IdempotencyRepo.ts"
import { Users } from "../../../src/business/users/Users.ts"
import { ServiceUnavailableError } from "../../../src/domain/Errors.ts"
import * as Business from "../../fixtures/data/Business.ts"
import { newUser } from "../../TestApp.ts"

/** The number of releases that will fail. */
let failures = 0

const flaky = Layer.effect(
  IdempotencyRepo,
  Effect.map(IdempotencyRepo, (repo) => ({
    ...repo,
    release: (scope, id) =>
      Effect.suspend(() => {
        failures -= 1
        return failures >= 0
          ? Effect.fail(new ServiceUnavailableError({ service: "database" }))
          : repo.release(scope, id)
      }),
  })),
).pipe(Layer.provide(IdempotencyRepo.layer))

const logged: Array<string> = []
const capturingLogger = Logger.layer([
  Logger.make(({ message }) => void logged.push(String(message))),
])

const tested = Claims.layer.pipe(
  Layer.provide(flaky),
  Layer.provideMerge(Business.layer),
  Layer.provideMerge(capturingLogger),
)

const replayed = () => "replayed"

/** Fails a call on a new key; returns the failure and the outcome of repeating the request. */
const failing = Effect.gen(function* () {
  const { once } = yield* Claims
  const users = yield* Users
  const user_id = newUser()
  yield* users.create({ id: user_id, email: null, full_name: null, role: "user" })
  const claim = { user_id, route: "POST /x", key: "k", fingerprint: "f" }
  const first = yield* Effect.flip(once(claim, Effect.fail("no" as const), replayed))
  const again = yield* Effect.result(once(claim, Effect.succeed("done"), replayed))
  return { first, again: again._tag === "Success" ? again.success : again.failure }
})

layer(tested, { excludeTestServices: true, timeout: "30 seconds" })(
  "Claims, after a call fails",
  (it) => {
    it.effect("frees the key despite a short database outage", () =>
      Effect.gen(function* () {
        failures = 2
        assert.deepStrictEqual(yield* failing, { first: "no", again: "done" })
        assert.deepStrictEqual(logged, [])
      }),
    )

    it.effect("holds the key until its lease expires if the release fails, and logs it", () =>
      Effect.gen(function* () {
        failures = 6
        const { again } = yield* failing
        assert.propertyVal(again, "_tag", "ConflictError")
        assert.strictEqual(
          logged.filter((line) => line.includes("idempotency key not released")).length,
          1,
        )
      }),
    )
  },
)
