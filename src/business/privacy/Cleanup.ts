import { Cause, Context, Data, Effect, Exit, Layer } from "effect"
import { Database } from "../../core/sql/Database.ts"
import { errorText } from "../../core/telemetry/ErrorText.ts"
import { type Batch, inBatches, type RowsFailed } from "../../core/sql/InBatches.ts"
import { JobQueue } from "../../core/jobs/Queue.ts"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import { ago, type Timestamp } from "../../domain/Fields.ts"
import { CleanupRepo } from "./CleanupRepo.ts"
import {
  closedAccounts,
  type ExpiringTable,
  expiringTables,
  personalData,
} from "../PersonalData.ts"

/** The number of deleted rows by table, and of anonymised accounts (`closed_accounts`). */
type Removed = Readonly<Record<string, number>>

interface FailedStep {
  readonly step: string
  readonly error: unknown
}

/** Some steps failed. The message lists the result of every step. */
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

/** Removes data past its retention (`PersonalData`), in batches, so that it does not block requests. */
export class Cleanup extends Context.Service<
  Cleanup,
  {
    /** Runs all steps, even if one fails. */
    readonly run: Effect.Effect<Removed, CleanupFailed>
    /** Deletes only expired idempotency keys, of which there are many, and returns their number. */
    readonly removeIdempotencyKeys: Effect.Effect<number, RowsFailed | ServiceUnavailableError>
  }
>()("plinth/business/privacy/Cleanup") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* CleanupRepo
      const queue = yield* JobQueue
      const { transaction } = yield* Database

      const removeFrom = (table: ExpiringTable) =>
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
        ...expiringTables.map((table) => ({ step: table.name, work: removeFrom(table) })),
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
            yield* Effect.logWarning("clean-up step failed", exit.cause).pipe(
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
const idempotencyKeys: ExpiringTable = { name: "idempotency_keys", key, ...retention }
