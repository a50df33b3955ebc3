import { Context, Effect, Layer, Schedule } from "effect"
import { Database } from "../../core/sql/Database.ts"
import { uuidV7 } from "../../core/Uuid.ts"
import { CurrentPendingAnswer } from "../../domain/PendingAnswer.ts"
import type {
  ConflictError,
  ServiceUnavailableError,
  ValidationError,
} from "../../domain/Errors.ts"
import { fromNow, now } from "../../domain/Fields.ts"
import {
  type Answer,
  keyReused,
  type IdempotentRequest,
  inProgress,
  validSince,
} from "./Idempotency.ts"
import { IdempotencyRepo } from "./IdempotencyRepo.ts"

/** The duration of a claim's lease. Longer than any call to an external service. */
const leaseMs = 12 * 60_000

/** Retries the release of a key for about three seconds, while the database may recover. */
const settleRetry = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 5 }))

/** The status of a key whose answer is not stored yet. */
const runningStatus = 0

/**
 * Idempotent requests that call an external service, for which a transaction cannot stay open. A claim with a lease is
 * committed first, and the transaction that settles the call stores the answer (`CurrentPendingAnswer`). After a crash,
 * the next request takes the claim over when its lease ends, with the same id.
 */
export class Claims extends Context.Service<
  Claims,
  {
    /** Runs `effect`, or converts a stored answer with `replay`. Frees the key if `effect` stored no answer. */
    readonly once: <A, E, R>(
      request: IdempotentRequest,
      effect: Effect.Effect<A, E, R>,
      replay: (answer: Answer) => A,
    ) => Effect.Effect<A, E | ConflictError | ValidationError | ServiceUnavailableError, R>
  }
>()("plinth/business/idempotency/Claims") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* IdempotencyRepo
      const { transaction } = yield* Database

      /** Returns the stored answer, or the id of a new claim. */
      const acquire = Effect.fnUntraced(function* (request: IdempotentRequest) {
        if (!(yield* repo.tryLock(request))) return yield* inProgress
        const created_at = yield* now
        const leased_until = yield* fromNow(leaseMs)
        const row = yield* repo.find(request)
        if (row !== undefined && row.created_at >= (yield* validSince)) {
          if (row.fingerprint !== request.fingerprint) return yield* keyReused
          if (row.status !== runningStatus) return { answer: row }
          if ((row.leased_until ?? "") > created_at) return yield* inProgress
        }
        // Reuses the id only for the same request: vendors refuse a key that they know from another one.
        const isSameRequest =
          row?.status === runningStatus && row.fingerprint === request.fingerprint
        const id = (isSameRequest ? row.claim_id : null) ?? uuidV7()
        if (row !== undefined) yield* repo.remove(request)
        yield* Effect.catchTag(
          repo.insert({
            ...request,
            status: runningStatus,
            body: null,
            created_at,
            claim_id: id,
            leased_until,
          }),
          "ConflictError",
          () => inProgress,
        )
        return { id }
      }, transaction)

      /** Frees the key, unless an answer was stored. */
      const release = (request: IdempotentRequest, id: string) =>
        repo.release(request, id).pipe(
          Effect.retry(settleRetry),
          Effect.catch((error) =>
            Effect.logError(
              "idempotency key not released: it is in use until its lease ends",
              error,
            ),
          ),
        )

      const once: Claims["Service"]["once"] = (request, effect, replay) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(acquire(request), (acquired) => {
            if (acquired.answer !== undefined) return Effect.succeed(replay(acquired.answer))
            const { id } = acquired
            return restore(effect).pipe(
              Effect.provideService(CurrentPendingAnswer, {
                id,
                save: (answer) =>
                  repo.answer(request, id, { status: 200, body: JSON.stringify(answer) }),
              }),
              Effect.ensuring(release(request, id)),
            )
          }),
        )

      return Claims.of({ once })
    }),
  )
}
