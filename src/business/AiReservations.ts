import * as Period from "../domain/Period.ts"
import { Context, Effect, Layer, Schedule } from "effect"
import { Database } from "../core/Database.ts"
import { type Batch, inBatches, type RowsFailed } from "../core/InBatches.ts"
import { Settings } from "../core/Settings.ts"
import { uuidV7 } from "../core/Uuid.ts"
import { QuotaExceededError, type ServiceUnavailableError } from "../domain/Errors.ts"
import { fromNow, now, type Timestamp } from "../domain/Fields.ts"
import type { UsageEntry } from "../domain/Usage.ts"
import { AiReservationsRepo, type Reservation } from "./AiReservationsRepo.ts"
import { Entitlements, type Subscriber } from "./Entitlements.ts"
import { EntitlementsRepo } from "./EntitlementsRepo.ts"
import { Usage } from "./Usage.ts"

/** What a call took. `estimated`: the provider did not say all of it. */
export interface Spent {
  readonly model: string
  readonly tokens: number
  readonly estimated: boolean
}

/** In ms; longer than a call may last, so that a call that still runs is never swept. */
const reservationLifetimeMs = 15 * 60_000
/** More calls than one user begins in the same moment: so far from its limit, none of them can pass it. */
const maxConcurrentCalls = 64

/**
 * Tokens are reserved before a call and settled after it: by the call itself, or, when its process died, by the sweep,
 * which takes the whole reservation for spent. Whoever removes the reservation writes the ledger, so it is written once.
 */
export class AiReservations extends Context.Service<
  AiReservations,
  {
    /** While there is anything left this month: a call goes over the limit by its reservation at most. */
    readonly reserve: (
      caller: Subscriber,
      call: { readonly model: string; readonly tokens: number },
    ) => Effect.Effect<string, QuotaExceededError | ServiceUnavailableError>
    /** Null: nothing was delivered. `also` in the same transaction. Tried for some seconds, then left to the sweep. */
    readonly settle: (
      id: string,
      spent: Spent | null,
      also: Effect.Effect<void, ServiceUnavailableError> | null,
    ) => Effect.Effect<void>
    /** The number of calls that nobody settled in time. One that cannot be settled keeps no other. */
    readonly sweep: Effect.Effect<number, RowsFailed | ServiceUnavailableError>
  }
>()("plinth/business/AiReservations") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* AiReservationsRepo
      const { lock } = yield* EntitlementsRepo
      const usage = yield* Usage
      const { limitOf } = yield* Entitlements
      const { transaction } = yield* Database
      const { USAGE_TRACKING_ENABLED } = yield* Settings

      /** Near the limit, those of one user reserve one after the other. */
      const inTurn = Effect.fnUntraced(function* (row: Reservation, month: string, limit: number) {
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
        const isFar = yield* repo.insertIf(row, month, limit - maxConcurrentCalls * tokens)
        if (!isFar) yield* inTurn(row, month, limit)
        return row.id
      })

      const settle: AiReservations["Service"]["settle"] = (id, spent, also) => {
        const settled =
          spent === null
            ? repo.remove(id)
            : Effect.flatMap(now, (at) => usage.settle(id, entriesOf(id, spent, at)))
        return (also === null ? settled : transaction(Effect.andThen(settled, also))).pipe(
          Effect.retry(settleRetry),
          Effect.catch((error) =>
            Effect.annotateLogs(Effect.logError("An AI call is left to the sweep", error), {
              reservation: id,
            }),
          ),
        )
      }

      const sweepOne = ({ dimension, id, quantity }: Reservation, at: Timestamp) =>
        usage.settle(id, entriesOf(id, { model: dimension, tokens: quantity, estimated: true }, at))

      const sweepSome = Effect.fnUntraced(function* (at: Timestamp, batch: Batch) {
        const found = yield* repo.expired(at, batch)
        yield* Effect.forEach(found, (reservation) => sweepOne(reservation, at), { discard: true })
        return found.length
      }, transaction)

      const sweep = Effect.flatMap(now, (at) => inBatches((batch) => sweepSome(at, batch)))

      return AiReservations.of({ reserve, settle, sweep })
    }),
  )
}

/** About six seconds, for a database that comes back. */
const settleRetry = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 6 }))

const entriesOf = (
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
