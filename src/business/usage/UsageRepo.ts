import { Context, Effect, Layer } from "effect"
import { Database } from "../../core/sql/Database.ts"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import type { UsageEntry, UsageEvent } from "../../domain/usage/Usage.ts"
import * as Postgres from "./UsagePostgresRepo.ts"
import * as Sqlite from "./UsageSqliteRepo.ts"

/** The usage ledger and its daily sums (UTC), which are written together. */
export class UsageRepo extends Context.Service<
  UsageRepo,
  {
    /**
     * Adds the events whose source is new, all or none. Skips events of users that no longer exist (relinked accounts),
     * so that they cannot block the batch.
     */
    readonly append: (
      events: ReadonlyArray<UsageEvent>,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /** Replaces a reservation by entries for its user, once. Does nothing if the reservation no longer exists. */
    readonly settle: (
      reservation: string,
      entries: ReadonlyArray<UsageEntry>,
    ) => Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/business/usage/UsageRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { dialect } = yield* Database
      return UsageRepo.of(yield* dialect === "pg" ? Postgres.make : Sqlite.make)
    }),
  )
}
