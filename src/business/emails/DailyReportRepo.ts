import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../core/sql/Database.ts"
import type { ServiceUnavailableError } from "../../domain/Errors.ts"
import type { Timestamp } from "../../domain/Fields.ts"

interface ReportCounts {
  readonly users: {
    readonly total: number
    readonly active: number
    readonly new_last_24_hours: number
  }
  readonly projects: { readonly total: number; readonly new_last_24_hours: number }
}

/** Counts over all users, for operators. */
export class DailyReportRepo extends Context.Service<
  DailyReportRepo,
  {
    /** Counts current rows. `new_last_24_hours` counts rows created since `time`. */
    readonly since: (time: Timestamp) => Effect.Effect<ReportCounts, ServiceUnavailableError>
  }
>()("plinth/business/emails/DailyReportRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { query } = yield* Database

      const since = Effect.fnUntraced(function* (time: Timestamp) {
        const [users] = yield* query(sql<ReportCounts["users"]>`
          SELECT count(*) AS total, count(*) FILTER (WHERE is_active) AS active,
            count(*) FILTER (WHERE created_at >= ${time}) AS new_last_24_hours
          FROM users
        `)
        const [projects] = yield* query(sql<ReportCounts["projects"]>`
          SELECT count(*) AS total,
            count(*) FILTER (WHERE created_at >= ${time}) AS new_last_24_hours
          FROM projects WHERE deleted_at IS NULL
        `)
        return {
          users: users ?? { total: 0, active: 0, new_last_24_hours: 0 },
          projects: projects ?? { total: 0, new_last_24_hours: 0 },
        }
      })

      return DailyReportRepo.of({ since })
    }),
  )
}
