import { Cause, Context, Data, Effect, Exit, Layer } from "effect"
import { Database } from "../core/sql/Database.ts"
import { errorText } from "../core/telemetry/ErrorText.ts"
import { type Batch, inBatches, type RowsFailed } from "../core/sql/InBatches.ts"
import { JobQueue } from "../core/jobs/Queue.ts"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import { ago, type Timestamp } from "../domain/Fields.ts"
import { CleanupRepo } from "./CleanupRepo.ts"
import { closedAccounts, type Expiring, expiring, personalData } from "./PersonalData.ts"

/** How many rows of each table were deleted, and how many accounts (`closed_accounts`) made anonymous. */
export type Removed = Readonly<Record<string, number>>

interface FailedStep {
  readonly step: string
  readonly error: unknown
}

/** Says of every step what became of it. */
export class CleanupFailed extends Data.TaggedError("CleanupFailed")<{
  readonly steps: ReadonlyArray<FailedStep>
  readonly removed: Removed
}> {
  override get message() {
    const failed = this.steps.map(({ error, step }) => `${step}: ${errorText(error)}`)
    const done = Object.entries(this.removed).map(([step, count]) => `${step} ${count}`)
    return [...failed, `done: ${done.join(", ") || "nothing"}`].join("; ")
  }
}

/** Removes what is past its retention in `PersonalData`, a batch at a time, so that nobody waits for it. */
export class Cleanup extends Context.Service<
  Cleanup,
  {
    /** Every step, whatever became of the others. */
    readonly run: Effect.Effect<Removed, CleanupFailed>
    /** Expired idempotency keys alone, which are many. The number of them. */
    readonly removeIdempotencyKeys: Effect.Effect<number, RowsFailed | ServiceUnavailableError>
  }
>()("plinth/business/Cleanup") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* CleanupRepo
      const queue = yield* JobQueue
      const { transaction } = yield* Database

      const removeFrom = (table: Expiring) =>
        Effect.flatMap(ago(table.period), (before) =>
          inBatches((batch) => repo.removeExpired(table, before, batch)),
        )

      const erase = Effect.fnUntraced(function* (before: Timestamp, batch: Batch) {
        const users = yield* repo.closedAccounts(before, batch)
        if (users.length === 0) return 0
        yield* queue.forget(users)
        yield* repo.erase(users)
        return users.length
      }, transaction)

      const eraseClosed = Effect.flatMap(ago(closedAccounts.period), (before) =>
        inBatches((batch) => erase(before, batch)),
      )

      const steps = [
        ...expiring.map((table) => ({ step: table.name, work: removeFrom(table) })),
        { step: "closed_accounts", work: eraseClosed },
      ]

      const run = Effect.gen(function* () {
        const removed: Record<string, number> = {}
        const failed: Array<FailedStep> = []
        for (const { step, work } of steps) {
          const exit = yield* Effect.exit(work)
          if (Exit.isSuccess(exit)) removed[step] = exit.value
          else {
            failed.push({ step, error: Cause.squash(exit.cause) })
            yield* Effect.logWarning("a clean-up step failed", exit.cause).pipe(
              Effect.annotateLogs({ step }),
            )
          }
        }
        return failed.length === 0 ? removed : yield* new CleanupFailed({ steps: failed, removed })
      }).pipe(Effect.withSpan("Cleanup.run"))

      return Cleanup.of({
        run,
        removeIdempotencyKeys: removeFrom(idempotencyKeys),
      })
    }),
  )
}

const { key, retention } = personalData.idempotency_keys
const idempotencyKeys: Expiring = { name: "idempotency_keys", key, ...retention }
