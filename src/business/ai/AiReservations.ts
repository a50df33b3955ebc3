import * as Period from "../../domain/Period.ts"
import { Context, Effect, Layer, Schedule } from "effect"
import { Database } from "../../core/sql/Database.ts"
import { type Batch, inBatches, type RowsFailed } from "../../core/sql/InBatches.ts"
import { Settings } from "../../core/settings/Settings.ts"
import { uuidV7 } from "../../core/Uuid.ts"
import { QuotaExceededError, type ServiceUnavailableError } from "../../domain/Errors.ts"
import { fromNow, now, type Timestamp } from "../../domain/Fields.ts"
import type { UsageEntry } from "../../domain/usage/Usage.ts"
import { AiReservationsRepo, type Reservation } from "./AiReservationsRepo.ts"
import { Entitlements, type Subscriber } from "../plans/Entitlements.ts"
import { EntitlementsRepo } from "../plans/EntitlementsRepo.ts"
import { Usage } from "../usage/Usage.ts"

/** The tokens that a call used. `estimated` means that the provider did not report all counts. */
export interface Spent {
  readonly model: string
  readonly tokens: number
  readonly estimated: boolean
}

/** The age at which the sweep settles a reservation. Longer than any call, so that a running call is never swept. */
const reservationLifetimeMs = 15 * 60_000

/**
 * An upper bound of the calls that one user starts at the same moment. While the tokens left would be enough for this
 * many more reservations, concurrent calls cannot exceed the limit, so no lock is needed.
 */
const maxConcurrentCalls = 64

/**
 * Reserves tokens before a call and settles them after it. If the process of a call died, the sweep settles it and
 * counts the whole reservation as spent. The transaction that deletes the reservation writes the ledger, so it is
 * written once.
 */
export class AiReservations extends Context.Service<
  AiReservations,
  {
    /** Succeeds while any tokens are left this month, so a call exceeds the limit by at most its reservation. */
    readonly reserve: (
      caller: Subscriber,
      call: { readonly model: string; readonly tokens: number },
    ) => Effect.Effect<string, QuotaExceededError | ServiceUnavailableError>
    /**
     * Settles a call; `spent` is null when nothing was delivered. Runs `alsoCommit` in the same transaction. Retries
     * for about six seconds, then leaves the call to the sweep.
     */
    readonly settle: (
      id: string,
      spent: Spent | null,
      alsoCommit: Effect.Effect<void, ServiceUnavailableError> | null,
    ) => Effect.Effect<void>
    /** Settles expired reservations and returns their number. One that cannot be settled does not block the others. */
    readonly sweep: Effect.Effect<number, RowsFailed | ServiceUnavailableError>
  }
>()("plinth/business/ai/AiReservations") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* AiReservationsRepo
      const { lock } = yield* EntitlementsRepo
      const usage = yield* Usage
      const { limitOf } = yield* Entitlements
      const { transaction } = yield* Database
      const { USAGE_TRACKING_ENABLED } = yield* Settings

      /** Reserves under a lock, because concurrent reservations near the limit could exceed it together. */
      const reserveLocked = Effect.fnUntraced(function* (
        row: Reservation,
        month: string,
        limit: number,
      ) {
        yield* lock(row.user_id, "ai_tokens")
        const used = yield* repo.used(row.user_id, month)
        if (used < limit) return yield* repo.insert(row)
        return yield* new QuotaExceededError({ metric: "ai_tokens", limit, used })
      }, transaction)

      const reserve: AiReservations["Service"]["reserve"] = Effect.fnUntraced(function* (
        { id: user_id, plan },
        { model, tokens },
      ) {
        const created_at = yield* now
        const row = {
          id: uuidV7(),
          user_id,
          quantity: tokens,
          dimension: model,
          created_at,
          expires_at: yield* fromNow(reservationLifetimeMs),
        }
        const limit = USAGE_TRACKING_ENABLED ? limitOf(plan, "ai_tokens") : null
        if (limit === null) {
          yield* repo.insert(row)
          return row.id
        }
        const month = Period.monthOf(Period.dayOf(created_at)).from
        const isReserved = yield* repo.insertIfBelow(
          row,
          month,
          limit - maxConcurrentCalls * tokens,
        )
        if (!isReserved) yield* reserveLocked(row, month, limit)
        return row.id
      })

      const settle: AiReservations["Service"]["settle"] = (id, spent, alsoCommit) => {
        const settled =
          spent === null
            ? repo.remove(id)
            : Effect.flatMap(now, (at) => usage.settle(id, usageEntriesOf(id, spent, at)))
        return (
          alsoCommit === null ? settled : transaction(Effect.andThen(settled, alsoCommit))
        ).pipe(
          Effect.retry(settleRetry),
          Effect.catch((error) =>
            Effect.annotateLogs(
              Effect.logError("AI call not settled: the sweep will settle it", error),
              {
                reservation: id,
              },
            ),
          ),
        )
      }

      const sweepOne = ({ dimension, id, quantity }: Reservation, at: Timestamp) =>
        usage.settle(
          id,
          usageEntriesOf(id, { model: dimension, tokens: quantity, estimated: true }, at),
        )

      const sweepBatch = Effect.fnUntraced(function* (at: Timestamp, batch: Batch) {
        const expired = yield* repo.expired(at, batch)
        yield* Effect.forEach(expired, (reservation) => sweepOne(reservation, at), {
          discard: true,
        })
        return expired.length
      }, transaction)

      const sweep = Effect.flatMap(now, (at) => inBatches((batch) => sweepBatch(at, batch)))

      return AiReservations.of({ reserve, settle, sweep })
    }),
  )
}

/** Retries for about six seconds, while the database may recover. */
const settleRetry = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 6 }))

const usageEntriesOf = (
  id: string,
  { estimated, model, tokens }: Spent,
  occurred_at: Timestamp,
): ReadonlyArray<UsageEntry> => {
  const entry = { dimension: model, occurred_at }
  return [
    { ...entry, source: `ai:${id}:tokens`, metric: "ai_tokens", quantity: tokens, estimated },
    { ...entry, source: `ai:${id}:requests`, metric: "ai_requests", quantity: 1, estimated: false },
  ]
}
