import { Context, Effect, Layer, Schedule } from "effect"
import { Database } from "../core/Database.ts"
import { uuidV7 } from "../core/Uuid.ts"
import { CurrentPendingAnswer } from "../domain/PendingAnswer.ts"
import type { ConflictError, ServiceUnavailableError, ValidationError } from "../domain/Errors.ts"
import { fromNow, now } from "../domain/Fields.ts"
import {
  type Answer,
  anotherRequest,
  type IdempotentRequest,
  inProgress,
  oldest,
} from "./Idempotency.ts"
import { IdempotencyRepo } from "./IdempotencyRepo.ts"

/** In ms; longer than the longest call of another's service. */
const leaseMs = 12 * 60_000

/** Of the release of a key: about three seconds, for a database that comes back. */
const settleRetry = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 5 }))

/** The status of a key whose answer is not there yet. */
const running = 0

/**
 * Requests that have one effect however often they come, where another's service is called on the way: no transaction
 * stays open so long. A claim is committed first; whoever settles the call keeps the answer in the same transaction
 * (`CurrentClaim`). A process that dies leaves its claim to the next one after the lease, under the same id.
 */
export class Claims extends Context.Service<
  Claims,
  {
    /** `replay` makes of the kept answer what `effect` would have given. What keeps no answer leaves the key free. */
    readonly once: <A, E, R>(
      claim: IdempotentRequest,
      effect: Effect.Effect<A, E, R>,
      replay: (answer: Answer) => A,
    ) => Effect.Effect<A, E | ConflictError | ValidationError | ServiceUnavailableError, R>
  }
>()("plinth/business/Claims") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* IdempotencyRepo
      const { transaction } = yield* Database

      /** The answer that is there, or the id of a claim that is the caller's now. */
      const take = Effect.fnUntraced(function* (claim: IdempotentRequest) {
        if (!(yield* repo.tryLock(claim))) return yield* inProgress()
        const created_at = yield* now
        const leased_until = yield* fromNow(leaseMs)
        const row = yield* repo.find(claim)
        if (row !== undefined && row.created_at >= (yield* oldest)) {
          if (row.fingerprint !== claim.fingerprint) return yield* anotherRequest()
          if (row.status !== running) return { answer: row }
          if ((row.leased_until ?? "") > created_at) return yield* inProgress()
        }
        // Vendors refuse a key that they know from another request.
        const isSame = row?.status === running && row.fingerprint === claim.fingerprint
        const id = (isSame ? row.claim_id : null) ?? uuidV7()
        if (row !== undefined) yield* repo.remove(claim)
        yield* Effect.catchTag(
          repo.insert({
            ...claim,
            status: running,
            body: null,
            created_at,
            claim_id: id,
            leased_until,
          }),
          "ConflictError",
          inProgress,
        )
        return { id }
      }, transaction)

      /** Of a claim that was answered nothing is left. */
      const release = (claim: IdempotentRequest, id: string) =>
        repo.release(claim, id).pipe(
          Effect.retry(settleRetry),
          Effect.catch((error) =>
            Effect.logError("An idempotency key is taken until its lease ends", error),
          ),
        )

      const once: Claims["Service"]["once"] = (claim, effect, replay) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(take(claim), (taken) => {
            if (taken.answer !== undefined) return Effect.succeed(replay(taken.answer))
            const { id } = taken
            return restore(effect).pipe(
              Effect.provideService(CurrentPendingAnswer, {
                id,
                keep: (answer) =>
                  repo.answer(claim, id, { status: 200, body: JSON.stringify(answer) }),
              }),
              Effect.ensuring(release(claim, id)),
            )
          }),
        )

      return Claims.of({ once })
    }),
  )
}
