import { Cause, Clock, Context, Effect, Latch, Layer } from "effect"
import { inHalves } from "../core/InHalves.ts"
import { Settings } from "../core/Settings.ts"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import type { UsageEntry, UsageEvent, UsageMetric } from "../domain/Usage.ts"
import type { UserId } from "../domain/User.ts"
import { flushSize, UsageCounts } from "./UsageCounts.ts"
import { UsageRepo } from "./UsageRepo.ts"
import { now } from "../domain/Fields.ts"

/** What users use, as rows: see `domain/Usage.ts`. What is told of a user that is gone is left out. */
export class Usage extends Context.Service<
  Usage,
  {
    /**
     * In the transaction that is open, so that an effect and its usage are there together or not at all. The same
     * source again adds nothing.
     */
    readonly record: (
      events: ReadonlyArray<UsageEvent>,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /** Records an event of quantity 1 that occurs now, like `record`. */
    readonly recordOne: (
      event: Pick<UsageEvent, "source" | "user_id" | "metric" | "dimension">,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /** The same, for the user of a reservation and in its place; nothing when that is gone. */
    readonly settle: (
      reservation: string,
      entries: ReadonlyArray<UsageEntry>,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /**
     * For what happens all the time and is not billed by the piece: kept in memory, and written within the window. A
     * process that is killed loses that much; nothing counts twice. The quantity, 1 unless told, is an integer.
     */
    readonly count: (
      user: UserId,
      metric: UsageMetric,
      options?: { readonly quantity?: number; readonly dimension?: string },
    ) => void
  }
>()("plinth/business/Usage") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* UsageRepo
      const { USAGE_TRACKING_ENABLED } = yield* Settings
      const clock = yield* Clock.Clock

      const counts = new UsageCounts()
      /** Taken, and not known to be written: tried again as it is, because it may have been. */
      let batch: ReadonlyArray<UsageEvent> = []
      const isCounted = yield* Latch.make(false)
      const isFull = yield* Latch.make(false)

      const flush = Effect.gen(function* () {
        while (true) {
          if (batch.length === 0) batch = counts.take()
          if (batch.length === 0) return
          const { cause, lost } = yield* inHalves(batch, repo.append)
          batch = []
          if (lost > 0) {
            yield* Effect.logError(
              "counts of usage cannot be written, and are lost",
              Cause.die(cause),
            ).pipe(Effect.annotateLogs({ rows: lost }))
          }
        }
      })

      let failing = false

      const failed = (cause: Cause.Cause<ServiceUnavailableError>) =>
        Effect.suspend(() => {
          const tell = failing
            ? Effect.void
            : Effect.logWarning("counts of usage wait for the database", cause)
          failing = true
          isCounted.openUnsafe()
          return tell
        })

      const written = Effect.suspend(() => {
        failing = false
        const { dropped } = counts
        counts.dropped = 0
        return dropped === 0
          ? Effect.void
          : Effect.logError("usage was lost: too many counts waited for the database").pipe(
              Effect.annotateLogs({ dropped }),
            )
      })

      const round = Effect.gen(function* () {
        yield* isCounted.await
        // While the database is away, there is no hurry.
        yield* failing ? Effect.sleep(window) : Effect.timeoutOption(isFull.await, window)
        isCounted.closeUnsafe()
        isFull.closeUnsafe()
        yield* Effect.matchCauseEffect(flush, { onFailure: failed, onSuccess: () => written })
      })

      const last = flush.pipe(
        Effect.interruptible,
        Effect.timeout(finalFlushTimeout),
        Effect.catchCause((cause) =>
          Effect.logError("the last counts of usage are lost", cause).pipe(
            Effect.annotateLogs({ rows: batch.length + counts.size }),
          ),
        ),
      )

      // Runs when the fiber below has ended.
      yield* Effect.addFinalizer(() => last)
      yield* Effect.forkScoped(Effect.forever(round))

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
          isCounted.openUnsafe()
          if (counts.size >= flushSize) isFull.openUnsafe()
        },
      })
    }),
  )
}

/** What a process that is killed may lose, beside the time that a flush takes. */
const window = "5 seconds"

/** For the last flush, when the process ends. */
const finalFlushTimeout = "3 seconds"
