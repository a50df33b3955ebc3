import { Clock, Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import { now, timestampOf } from "../../domain/Fields.ts"
import { Database } from "./Database.ts"
import { currentSteadyMillis } from "../SteadyClock.ts"
import { uuidV7 } from "../Uuid.ts"

/** The lease that all processes that run jobs share. */
export const jobRunner = "job_runner"

/** The duration of a lease after it was taken or renewed. */
const leaseMs = 15_000

/** The interval of lease renewals. A lease survives two failed renewals. */
export const leaseRenewalMs = 5000

/**
 * Short-lived named locks, visible to all processes. They are stored in the database and expire soon after their holder
 * dies.
 */
export class Leases extends Context.Service<
  Leases,
  {
    /** Takes or renews a lease exclusively. Returns its end in steady ms, or null while another process holds it. */
    readonly take: (name: string) => Effect.Effect<number | null, ServiceUnavailableError>
    /** Releases a lease that this process holds. */
    readonly release: (name: string) => Effect.Effect<void, ServiceUnavailableError>
    /** Takes or renews a lease for this process, even if another process holds it. */
    readonly share: (name: string) => Effect.Effect<void, ServiceUnavailableError>
    /** Returns true while any process holds the lease. */
    readonly isHeld: (name: string) => Effect.Effect<boolean, ServiceUnavailableError>
  }
>()("plinth/core/sql/Leases") {
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
