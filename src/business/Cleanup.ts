import { Context, Effect, Layer } from "effect"
import { inBatches } from "../core/InBatches.ts"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import { ago } from "../domain/Fields.ts"
import { CleanupRepo } from "./CleanupRepo.ts"
import { Idempotency } from "./Idempotency.ts"

/** How long is kept what nobody can see any more. The README tells it. */
export const retention = {
  deletedProjects: "30 days",
  closedAccounts: "30 days",
  exports: "7 days",
} as const

/** How many rows of each kind were removed, or made anonymous. */
export interface Removed {
  readonly idempotency_keys: number
  readonly projects: number
  readonly exports: number
  readonly accounts: number
}

/** Removes what is past its retention, a batch at a time, so that nobody waits for it. */
export class Cleanup extends Context.Service<
  Cleanup,
  { readonly run: Effect.Effect<Removed, ServiceUnavailableError> }
>()("plinth/business/Cleanup") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* CleanupRepo
      const idempotency = yield* Idempotency

      const run = Effect.gen(function* () {
        const projects = yield* ago(retention.deletedProjects)
        const exports = yield* ago(retention.exports)
        const closed = yield* ago(retention.closedAccounts)
        return {
          idempotency_keys: yield* idempotency.sweep,
          projects: yield* inBatches((limit) => repo.removeDeletedProjects(projects, limit)),
          exports: yield* inBatches((limit) => repo.removeExports(exports, limit)),
          accounts: yield* inBatches((limit) => repo.anonymise(closed, limit)),
        }
      }).pipe(Effect.withSpan("Cleanup.run"))

      return Cleanup.of({ run })
    }),
  )
}
