import { Context, Effect, Layer } from "effect"
import { Database } from "../core/sql/Database.ts"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import type { UsageEntry, UsageEvent } from "../domain/Usage.ts"
import * as Postgres from "./UsagePostgresRepo.ts"
import * as Sqlite from "./UsageSqliteRepo.ts"

/** The ledger of usage, and its sums by the day (UTC), which are written together. */
export class UsageRepo extends Context.Service<
  UsageRepo,
  {
    /**
     * Those whose source is not there yet, all at once or none. Who is gone, since his account was linked to another
     * id, is left out and holds up nobody else.
     */
    readonly append: (
      events: ReadonlyArray<UsageEvent>,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /** The entries, for the user of a reservation and in its place: for one alone, and nothing when it is gone. */
    readonly settle: (
      reservation: string,
      entries: ReadonlyArray<UsageEntry>,
    ) => Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/business/UsageRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { dialect } = yield* Database
      return UsageRepo.of(yield* dialect === "pg" ? Postgres.make : Sqlite.make)
    }),
  )
}
