import { Context, Effect, Layer } from "effect"
import { Database } from "../core/Database.ts"
import { Settings } from "../core/Settings.ts"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import type { UsageEvent } from "../domain/Usage.ts"
import { UsageRepo } from "./UsageRepo.ts"

/** What users use, as rows: see `domain/Usage.ts`. */
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
  }
>()("plinth/business/Usage") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* UsageRepo
      const { transaction } = yield* Database
      const { USAGE_TRACKING_ENABLED } = yield* Settings

      return Usage.of({
        record: (events) =>
          USAGE_TRACKING_ENABLED ? transaction(repo.append(events)) : Effect.void,
      })
    }),
  )
}
