import { Clock, Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { ServiceUnavailableError } from "../domain/Errors.ts"
import { now, timestampOf } from "../domain/Fields.ts"
import { Database } from "./Database.ts"
import { currentSteadyMillis } from "./SteadyClock.ts"
import { uuidV7 } from "./Uuid.ts"

/** Held by whoever works the queue of jobs: by all of them together. */
export const jobRunner = "job_runner"

/** How long a lease lasts, in ms. */
const leaseMs = 15_000

/** How often a lease is renewed, in ms: it outlives two renewals that fail. */
export const leaseRenewalMs = 5000

/** What is held for a short time in the sight of all processes: kept with the data, and gone soon after its holder. */
export class Leases extends Context.Service<
  Leases,
  {
    /** For this process alone, if nobody else has it: until when, in steady ms. Null when another process does. */
    readonly take: (name: string) => Effect.Effect<number | null, ServiceUnavailableError>
    /** Gives back what this process alone had. */
    readonly release: (name: string) => Effect.Effect<void, ServiceUnavailableError>
    /** For this process beside others, whoever has it already. */
    readonly share: (name: string) => Effect.Effect<void, ServiceUnavailableError>
    /** Whether anybody has it. */
    readonly isHeld: (name: string) => Effect.Effect<boolean, ServiceUnavailableError>
  }
>()("plinth/core/Leases") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { query } = yield* Database
      const holder = uuidV7()

      return Leases.of({
        take: Effect.fnUntraced(function* (name) {
          const time = yield* Clock.currentTimeMillis
          const heldUntil = (yield* currentSteadyMillis) + leaseMs
          const row = { name, holder, expires_at: timestampOf(time + leaseMs) }
          const taken = yield* query(sql`
            INSERT INTO leases ${sql.insert(row)}
            ON CONFLICT (name) DO UPDATE SET
              holder = excluded.holder, expires_at = excluded.expires_at
            WHERE leases.holder = excluded.holder OR leases.expires_at <= ${timestampOf(time)}
            RETURNING name
          `)
          return taken.length === 0 ? null : heldUntil
        }),
        release: (name) =>
          Effect.asVoid(query(sql`DELETE FROM leases WHERE name = ${name} AND holder = ${holder}`)),
        share: Effect.fnUntraced(function* (name) {
          const expires_at = timestampOf((yield* Clock.currentTimeMillis) + leaseMs)
          yield* query(sql`
            INSERT INTO leases ${sql.insert({ name, holder, expires_at })}
            ON CONFLICT (name) DO UPDATE SET
              holder = excluded.holder, expires_at = excluded.expires_at
          `)
        }),
        isHeld: Effect.fnUntraced(function* (name) {
          const found = yield* query(
            sql`SELECT name FROM leases WHERE name = ${name} AND expires_at > ${yield* now}`,
          )
          return found.length > 0
        }),
      })
    }),
  )
}
