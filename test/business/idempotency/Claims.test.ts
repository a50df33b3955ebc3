import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { Claims } from "../../../src/business/idempotency/Claims.ts"
import { IdempotencyRepo } from "../../../src/business/idempotency/IdempotencyRepo.ts"
import { Users } from "../../../src/business/users/Users.ts"
import { ServiceUnavailableError } from "../../../src/domain/Errors.ts"
import * as Business from "../../fixtures/Business.ts"
import { newUser } from "../../TestApp.ts"

/** How often a release meets no database. */
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

const told: Array<string> = []
const listening = Logger.layer([Logger.make(({ message }) => void told.push(String(message)))])

const tested = Claims.layer.pipe(
  Layer.provide(flaky),
  Layer.provideMerge(Business.layer),
  Layer.provideMerge(listening),
)

const replayed = () => "replayed"

/** Of a key that is new; what it came to, and whether the same request may be made again. */
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
  "A key whose call fails",
  (it) => {
    it.effect("is free again, though the database was away for a moment", () =>
      Effect.gen(function* () {
        failures = 2
        assert.deepStrictEqual(yield* failing, { first: "no", again: "done" })
        assert.deepStrictEqual(told, [])
      }),
    )

    it.effect("is taken until its lease ends when it cannot be released, and that is told", () =>
      Effect.gen(function* () {
        failures = 6
        const { again } = yield* failing
        assert.propertyVal(again, "_tag", "ConflictError")
        assert.strictEqual(
          told.filter((line) => line.includes("idempotency key not released")).length,
          1,
        )
      }),
    )
  },
)
