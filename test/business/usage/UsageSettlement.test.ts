import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Latch, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { AiReservationsRepo } from "../../../src/business/ai/AiReservationsRepo.ts"
import { UsageRepo } from "../../../src/business/usage/UsageRepo.ts"
import { Users } from "../../../src/business/users/Users.ts"
import { Database } from "../../../src/core/sql/Database.ts"
import { uuidV7 } from "../../../src/core/Uuid.ts"
import { Timestamp } from "../../../src/domain/Fields.ts"
import type { UserId } from "../../../src/domain/users/User.ts"
import * as Business from "../../fixtures/data/Business.ts"
import { newUser } from "../../TestApp.ts"

const tested = Layer.mergeAll(UsageRepo.layer, AiReservationsRepo.layer).pipe(
  Layer.provideMerge(Business.layer),
)

const insertUser = Effect.gen(function* () {
  const id = newUser()
  const users = yield* Users
  yield* users.create({ id, email: null, full_name: null, role: "user" })
  return id
})

const at = Timestamp.make("2024-02-29T23:59:59.999Z")

const reserve = Effect.fnUntraced(function* (user_id: UserId) {
  const repo = yield* AiReservationsRepo
  const id = uuidV7()
  yield* repo.insert({
    id,
    user_id,
    quantity: 100,
    dimension: "echo",
    created_at: at,
    expires_at: at,
  })
  return id
})

/** Replaces the reservation with seven tokens. */
const settle = Effect.fnUntraced(function* (reservation: string) {
  const repo = yield* UsageRepo
  const entry = { dimension: "echo", estimated: false, occurred_at: at }
  yield* repo.settle(reservation, [
    { ...entry, source: `${reservation}:tokens`, metric: "ai_tokens", quantity: 7 },
    { ...entry, source: `${reservation}:requests`, metric: "ai_requests", quantity: 1 },
  ])
})

/** The quantities in the ledger and the daily sums, and the number of reservations. */
const quantitiesOf = Effect.fnUntraced(function* (user: UserId) {
  const sql = yield* SqlClient.SqlClient
  const [ledger, daily, reserved] = yield* Effect.all([
    sql<{ readonly quantity: number }>`
      SELECT quantity FROM usage_events WHERE user_id = ${user} ORDER BY metric DESC`,
    sql<{ readonly quantity: number }>`
      SELECT quantity FROM usage_daily WHERE user_id = ${user} AND day = '2024-02-29'
      ORDER BY metric DESC`,
    sql`SELECT id FROM usage_reservations WHERE user_id = ${user}`,
  ])
  const quantities = (rows: typeof daily) => rows.map(({ quantity }) => quantity)
  return [quantities(ledger), quantities(daily), reserved.length]
})

layer(tested)("UsageRepo.settle", (it) => {
  it.effect("settles once, with ten concurrent attempts", () =>
    Effect.gen(function* () {
      const user = yield* insertUser
      const id = yield* reserve(user)
      yield* Effect.forEach(Array(10).fill(id), settle, { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* quantitiesOf(user), [[7, 1], [7, 1], 0])
    }),
  )

  it.effect("ignores a reservation that no longer exists", () =>
    Effect.gen(function* () {
      const user = yield* insertUser
      const id = yield* reserve(user)
      yield* (yield* AiReservationsRepo).remove(id)
      yield* settle(id)
      assert.deepStrictEqual(yield* quantitiesOf(user), [[], [], 0])
    }),
  )

  it.effect("rolls back when its transaction fails", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const user = yield* insertUser
      const id = yield* reserve(user)
      yield* Effect.flip(transaction(Effect.andThen(settle(id), Effect.fail("no" as const))))
      assert.deepStrictEqual(yield* quantitiesOf(user), [[], [], 1])
      yield* settle(id)
      assert.deepStrictEqual(yield* quantitiesOf(user), [[7, 1], [7, 1], 0])
    }),
  )

  it.effect("settles for the new user when the account is relinked concurrently", () =>
    Effect.gen(function* () {
      const { transaction } = yield* Database
      const users = yield* Users
      const [user, other] = [yield* insertUser, newUser()]
      const id = yield* reserve(user)
      const [isRelinked, mayEnd] = [yield* Latch.make(), yield* Latch.make()]
      const relinking = yield* users
        .relink(user, other)
        .pipe(
          Effect.andThen(isRelinked.open),
          Effect.andThen(mayEnd.await),
          transaction,
          Effect.forkChild,
        )
      yield* isRelinked.await
      const settling = yield* Effect.forkChild(settle(id))
      // On PostgreSQL it now waits for the relinking.
      yield* TestClock.withLive(Effect.sleep(100))
      yield* mayEnd.open
      yield* Fiber.join(relinking)
      yield* Fiber.join(settling)
      assert.deepStrictEqual(yield* quantitiesOf(user), [[], [], 0])
      assert.deepStrictEqual(yield* quantitiesOf(other), [[7, 1], [7, 1], 0])
    }),
  )

  it.effect("cannot deadlock with other batches, whatever the order of their rows", () =>
    Effect.gen(function* () {
      const repo = yield* UsageRepo
      const users = yield* Effect.all(Array.from({ length: 5 }, () => insertUser))
      const batches = Array.from({ length: 20 }, (_, n) =>
        (n % 2 === 0 ? users : users.toReversed()).flatMap((user_id) =>
          ["b", "a"].map((dimension) => ({
            source: uuidV7(),
            user_id,
            metric: "ai_tokens" as const,
            quantity: 1,
            dimension,
            estimated: false,
            occurred_at: at,
          })),
        ),
      )
      yield* Effect.forEach(batches, repo.append, { concurrency: "unbounded", discard: true })
      const all = yield* Effect.forEach(users, quantitiesOf)
      assert.deepStrictEqual(
        all.map(([, daily]) => daily),
        users.map(() => [20, 20]),
      )
    }),
  )

  it.effect("keeps the reservation when the sums cannot be written", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { append } = yield* UsageRepo
      const user_id = yield* insertUser
      const id = yield* reserve(user_id)
      yield* sql`ALTER TABLE usage_daily RENAME TO usage_daily_renamed`
      const event = {
        source: id,
        user_id,
        metric: "ai_tokens" as const,
        quantity: 1,
        dimension: "",
        estimated: false,
        occurred_at: at,
      }
      const exits = [yield* Effect.exit(settle(id)), yield* Effect.exit(append([event]))]
      yield* sql`ALTER TABLE usage_daily_renamed RENAME TO usage_daily`
      assert.deepStrictEqual(
        exits.map(({ _tag }) => _tag),
        ["Failure", "Failure"],
      )
      assert.deepStrictEqual(yield* quantitiesOf(user_id), [[], [], 1])
    }),
  )
})
