import { Cause, Clock, Context, Effect, Latch, Layer } from "effect"
import { inHalves } from "../../core/sql/InHalves.ts"
import { Settings } from "../../core/settings/Settings.ts"
import { Outage } from "../../core/telemetry/Outage.ts"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import { now } from "../../domain/Fields.ts"
import type { UsageEntry, UsageEvent, UsageMetric } from "../../domain/usage/Usage.ts"
import type { UserId } from "../../domain/users/User.ts"
import { maxRowsPerFlush, UsageCounts } from "./UsageCounts.ts"
import { UsageRepo } from "./UsageRepo.ts"

/** Records usage in the ledger (`domain/usage/Usage.ts`). Skips users that no longer exist. */
export class Usage extends Context.Service<
  Usage,
  {
    /**
     * Adds events in the open transaction, so that an effect and its usage are committed together. An event whose
     * source is already recorded adds nothing.
     */
    readonly record: (
      events: ReadonlyArray<UsageEvent>,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /** Records an event of quantity 1 that occurs now, like `record`. */
    readonly recordOne: (
      event: Pick<UsageEvent, "source" | "user_id" | "metric" | "dimension">,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /** Replaces a reservation by entries for its user. Does nothing if the reservation no longer exists. */
    readonly settle: (
      reservation: string,
      entries: ReadonlyArray<UsageEntry>,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /**
     * Counts frequent events in memory and writes them at the next flush. A killed process loses at most the counts
     * since its last flush, and nothing counts twice. `quantity` is an integer, 1 by default.
     */
    readonly count: (
      user: UserId,
      metric: UsageMetric,
      options?: { readonly quantity?: number; readonly dimension?: string },
    ) => void
  }
>()("plinth/business/usage/Usage") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* UsageRepo
      const { USAGE_TRACKING_ENABLED } = yield* Settings
      const clock = yield* Clock.Clock

      const counts = new UsageCounts()
      /** The batch being written. Retried unchanged, because a failed write may have been committed. */
      let batch: ReadonlyArray<UsageEvent> = []
      const hasCounts = yield* Latch.make(false)
      const isFull = yield* Latch.make(false)

      const flush = Effect.gen(function* () {
        while (true) {
          if (batch.length === 0) batch = counts.takeBatch()
          if (batch.length === 0) return
          const { cause, lost } = yield* inHalves(batch, repo.append)
          batch = []
          if (lost > 0) {
            yield* Effect.logError(
              "usage counts lost: rows cannot be written",
              Cause.die(cause),
            ).pipe(Effect.annotateLogs({ rows: lost }))
          }
        }
      })

      const outage = new Outage()

      const onFlushFailed = (cause: Cause.Cause<ServiceUnavailableError>) =>
        Effect.suspend(() => {
          hasCounts.openUnsafe()
          return outage.failed(
            Effect.logWarning(
              "usage flush failed: counts stay in memory until the next one",
              cause,
            ),
          )
        })

      const onFlushed = Effect.suspend(() => {
        outage.succeeded()
        const { dropped } = counts
        counts.dropped = 0
        return dropped === 0
          ? Effect.void
          : Effect.logError(
              "usage counts lost: too many were in memory while the database was unavailable",
            ).pipe(Effect.annotateLogs({ dropped }))
      })

      const flushRound = Effect.gen(function* () {
        yield* hasCounts.await
        // While the database is unreachable, a full batch does not shorten the wait.
        yield* outage.isOngoing
          ? Effect.sleep(flushWindow)
          : Effect.timeoutOption(isFull.await, flushWindow)
        hasCounts.closeUnsafe()
        isFull.closeUnsafe()
        yield* Effect.matchCauseEffect(flush, {
          onFailure: onFlushFailed,
          onSuccess: () => onFlushed,
        })
      })

      const finalFlush = flush.pipe(
        Effect.interruptible,
        Effect.timeout(finalFlushTimeout),
        Effect.catchCause((cause) =>
          Effect.logError("usage counts lost: final flush failed", cause).pipe(
            Effect.annotateLogs({ rows: batch.length + counts.size }),
          ),
        ),
      )

      // Runs after the fiber below has ended.
      yield* Effect.addFinalizer(() => finalFlush)
      yield* Effect.forkScoped(Effect.forever(flushRound))

      const record: Usage["Service"]["record"] = (events) =>
        USAGE_TRACKING_ENABLED ? repo.append(events) : Effect.void

      return Usage.of({
        record,
        recordOne: (event) =>
          Effect.flatMap(now, (occurred_at) =>
            record([{ ...event, quantity: 1, estimated: false, occurred_at }]),
          ),
        settle: (reservation, entries) =>
          repo.settle(reservation, USAGE_TRACKING_ENABLED ? entries : []),
        count: (user, metric, { dimension = "", quantity = 1 } = {}) => {
          if (!USAGE_TRACKING_ENABLED) return
          counts.add(user, metric, dimension, clock.currentTimeMillisUnsafe(), quantity)
          hasCounts.openUnsafe()
          if (counts.size >= maxRowsPerFlush) isFull.openUnsafe()
        },
      })
    }),
  )
}

/** The time between flushes. A killed process loses at most this, plus the duration of a flush. */
const flushWindow = "5 seconds"

/** The time limit of the last flush, at shutdown. */
const finalFlushTimeout = "3 seconds"
