import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Latch, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Claims } from "../../../src/business/idempotency/Claims.ts"
import { IdempotencyRepo } from "../../../src/business/idempotency/IdempotencyRepo.ts"
import { Users } from "../../../src/business/users/Users.ts"
import { CurrentPendingAnswer } from "../../../src/domain/PendingAnswer.ts"
import * as Business from "../../fixtures/data/Business.ts"
import { eventually } from "../../fixtures/data/Eventually.ts"
import { newUser } from "../../TestApp.ts"

const tested = Claims.layer.pipe(
  Layer.provide(IdempotencyRepo.layer),
  Layer.provideMerge(Business.layer),
)

const newClaim = Effect.gen(function* () {
  const users = yield* Users
  const user_id = newUser()
  yield* users.create({ id: user_id, email: null, full_name: null, role: "user" })
  return { user_id, route: "POST /x", key: "k", fingerprint: "f" }
})

type Claim = Effect.Success<typeof newClaim>

/** Settles the claim with this answer and returns its id. */
const settleWith = (answer: string) =>
  Effect.flatMap(CurrentPendingAnswer, (current) =>
    current === null
      ? Effect.die("there is no claim")
      : Effect.as(current.save(answer), { id: current.id, answer }),
  )

const replayed = ({ body, status }: { readonly body: string | null; readonly status: number }) => ({
  id: `replayed with ${status}`,
  answer: body,
})

const once = (claim: Claim, answer: string) =>
  Effect.flatMap(Claims, (claims) => claims.once(claim, settleWith(answer), replayed))

const past = "2020-01-01T00:00:00.000Z"

layer(tested, { excludeTestServices: true })("Claims", (it) => {
  it.effect("runs a request once and replays its answer to the same request only", () =>
    Effect.gen(function* () {
      const claim = yield* newClaim
      const first = yield* once(claim, "one")
      assert.strictEqual(first.answer, "one")
      assert.deepStrictEqual(yield* once(claim, "two"), {
        id: "replayed with 200",
        answer: '"one"',
      })
      const failure = yield* Effect.flip(once({ ...claim, fingerprint: "g" }, "two"))
      assert.include(failure, { _tag: "ValidationError", field: "Idempotency-Key" })
      const others = [
        { ...claim, route: "POST /y" },
        { ...claim, key: "l" },
        { ...claim, user_id: (yield* newClaim).user_id },
      ]
      for (const other of others) assert.strictEqual((yield* once(other, "two")).answer, "two")
    }),
  )

  it.effect(
    "passes a key on when its lease expires: the late holder neither answers nor frees it",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { once: claimed } = yield* Claims
        const claim = yield* newClaim
        const [hasBegun, mayEnd] = [yield* Latch.make(), yield* Latch.make()]
        const slow = hasBegun.open.pipe(
          Effect.andThen(mayEnd.await),
          Effect.andThen(settleWith("late")),
        )
        const first = yield* Effect.forkChild(claimed(claim, slow, replayed))
        yield* hasBegun.await
        assert.include(yield* Effect.flip(once(claim, "no")), { reason: "in_progress" })
        yield* sql`UPDATE idempotency_keys SET leased_until = ${past} WHERE user_id = ${claim.user_id}`
        const second = Effect.gen(function* () {
          // Another process would have given this claim another id.
          yield* sql`UPDATE idempotency_keys SET claim_id = 'next' WHERE user_id = ${claim.user_id}`
          yield* mayEnd.open
          yield* Fiber.join(first)
          return yield* Effect.flip(once(claim, "no"))
        })
        const failure = yield* claimed(
          claim,
          Effect.map(second, ({ _tag }) => ({ id: "", answer: _tag })),
          replayed,
        )
        assert.strictEqual(failure.answer, "ConflictError")
      }),
  )

  it.effect("leases a key for 12 minutes, or until the caller is interrupted", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { once: claimed } = yield* Claims
      const claim = yield* newClaim
      const calling = yield* Effect.forkChild(claimed(claim, Effect.never, replayed))
      const rows = sql<{ readonly created_at: string; readonly leased_until: string }>`
        SELECT created_at, leased_until FROM idempotency_keys WHERE user_id = ${claim.user_id}`
      yield* eventually(Effect.map(rows, ({ length }) => length === 1))
      const [row] = yield* rows
      const lease = Date.parse(row?.leased_until ?? "") - Date.parse(row?.created_at ?? "")
      assert.strictEqual(Math.round(lease / 60_000), 12)
      yield* Fiber.interrupt(calling)
      assert.strictEqual((yield* once(claim, "again")).answer, "again")
    }),
  )

  it.effect("forgets a key after a day, with its answer, fingerprint and id", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const claim = yield* newClaim
      const first = yield* once(claim, "one")
      yield* sql`UPDATE idempotency_keys SET created_at = ${past} WHERE user_id = ${claim.user_id}`
      const next = yield* once({ ...claim, fingerprint: "g" }, "two")
      assert.strictEqual(next.answer, "two")
      assert.notStrictEqual(next.id, first.id)
      yield* sql`UPDATE idempotency_keys SET created_at = ${past} WHERE user_id = ${claim.user_id}`
      const last = yield* once({ ...claim, fingerprint: "g" }, "three")
      assert.strictEqual(last.answer, "three")
      assert.notStrictEqual(last.id, next.id)
    }),
  )
})
