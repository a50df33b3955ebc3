import { DateTime, Effect, Layer } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { ago, fromNow, now, type Timestamp } from "../../../domain/Fields.ts"
import { type Job, JobId, policyOf } from "../../../domain/jobs/Job.ts"
import { JobTypes } from "../../../domain/jobs/JobKinds.ts"
import { Database } from "../../sql/Database.ts"
import {
  type LeasedJob,
  JobStore,
  leaseMs,
  lostProcess,
  type Settlement,
  runEvery,
} from "../Store.ts"
import { jsonText } from "../../sql/JsonText.ts"
import { inClaimOrder, settlementChange, type ClaimedRow, jobOf, type SqliteRow } from "./Row.ts"

/**
 * Jobs in the table `jobs`. Notifies on commit within this process only; jobs of other processes are found by polling.
 */
export const layer = Layer.effect(
  JobStore,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { query, transaction, write } = yield* Database
    const types = yield* JobTypes
    const listeners = new Set<(name: string) => void>()

    const notify = (name: string) =>
      Effect.sync(() => {
        for (const listener of listeners) listener(name)
      })

    const isHeld = ({ attempt, id, started_at }: LeasedJob) =>
      sql`id = ${id} AND state = 'active' AND attempts = ${attempt} AND started_at = ${started_at}`

    const state = (time: Timestamp) =>
      sql`CASE WHEN state = 'waiting' AND run_at > ${time} THEN 'delayed' ELSE state END`

    const userId = sql.literal(`json_extract(message, '$.payload.user_id')`)
    const isOfUser = (user: string) => sql`${userId} = ${user}`

    const jobs = Effect.fnUntraced(function* (condition: Statement.Fragment) {
      const rows = yield* query(
        sql<SqliteRow>`SELECT *, ${state(yield* now)} AS display_state FROM jobs ${condition}`,
      )
      return rows.map(jobOf)
    })

    const settle = (settlement: Settlement) =>
      Effect.flatMap(settlementChange(settlement), (change) =>
        query(sql`UPDATE jobs SET ${sql.update(change)} WHERE ${isHeld(settlement.claim)}`),
      )

    /** Retries or fails attempts whose lease expired. They count. */
    const rescue = Effect.gen(function* () {
      const time = yield* now
      yield* query(sql`
        UPDATE jobs SET
          state = CASE WHEN attempts < max_attempts THEN 'waiting' ELSE 'failed' END,
          finished_at = CASE WHEN attempts < max_attempts THEN NULL ELSE ${time} END,
          error = ${lostProcess},
          run_at = ${time},
          leased_until = NULL,
          progress = NULL
        WHERE state = 'active' AND leased_until < ${time}
      `)
    })

    /** Deletes ended jobs after the retention of their type. A failure for one type does not affect the others. */
    const removeOld = Effect.forEach(types, (type) =>
      Effect.flatMap(ago(policyOf(type).retention), (oldest) =>
        query(sql`DELETE FROM jobs WHERE name = ${type.identifier} AND finished_at < ${oldest}`),
      ).pipe(Effect.ignoreCause({ log: "Error", message: "removal of old jobs failed" })),
    )

    return JobStore.of({
      insert: Effect.fnUntraced(function* ({ id, name, priority, max_attempts, ...job }) {
        const { delayMs, payload, request_id, trace, unique_key } = job
        const row = {
          id,
          name,
          state: "waiting",
          message: jsonText({ payload, request_id, trace }),
          priority,
          unique_key,
          attempts: 0,
          max_attempts,
          created_at: yield* now,
          run_at: yield* fromNow(delayMs),
        }
        const inserted = yield* query(
          sql`INSERT INTO jobs ${sql.insert(row)} ON CONFLICT DO NOTHING RETURNING id`,
        )
        if (inserted.length > 0) yield* sql.afterCommit(notify(name))
        return inserted.length > 0
      }),
      get: (id) => Effect.map(jobs(sql`WHERE id = ${id}`), ([job]) => job),
      findByKey: (name, key) =>
        Effect.map(
          query(sql<{ id: string }>`
            SELECT id FROM jobs
            WHERE name = ${name} AND unique_key = ${key} AND state IN ('waiting', 'active')
          `),
          ([row]) => row && JobId.make(row.id),
        ),
      list: Effect.fnUntraced(function* ({ before, limit, name, state: wanted, user }) {
        const time = yield* now
        const conditions = [
          ...(name === undefined ? [] : [sql`name = ${name}`]),
          ...(wanted === undefined ? [] : [inState(sql, wanted, time)]),
          ...(user === undefined ? [] : [isOfUser(user)]),
          ...(before === undefined ? [] : [sql`id < ${before}`]),
        ]
        const where = conditions.length === 0 ? sql`` : sql`WHERE ${sql.and(conditions)}`
        return yield* jobs(sql`${where} ORDER BY id DESC LIMIT ${limit}`)
      }),
      counts: Effect.flatMap(now, (time) =>
        query(sql<{ state: Job["state"]; count: number }>`
          SELECT ${state(time)} AS state, count(*) AS count FROM jobs GROUP BY 1
        `),
      ),
      waiting: query(sql<{ name: string; count: number }>`
        SELECT name, count(*) AS count FROM jobs WHERE state = 'waiting' GROUP BY name
      `),
      retry: Effect.fnUntraced(function* (id) {
        const job = yield* one(
          write("Job")(sql<SqliteRow>`
            UPDATE jobs SET
              state = 'waiting', max_attempts = max(max_attempts, attempts + 1),
              run_at = ${yield* now}, finished_at = NULL, progress = NULL
            WHERE id = ${id} AND state IN ('failed', 'cancelled') RETURNING *, state AS display_state
          `),
        )
        if (job !== undefined) yield* sql.afterCommit(notify(job.name))
        return job
      }),
      cancel: (id) =>
        Effect.flatMap(now, (time) =>
          one(
            query(sql<SqliteRow>`
              UPDATE jobs SET state = 'cancelled', finished_at = ${time}, leased_until = NULL
              WHERE id = ${id} AND state IN ('waiting', 'active') RETURNING *, state AS display_state
            `),
          ),
        ),
      relink: (user, to) =>
        Effect.asVoid(
          query(sql`
            UPDATE jobs SET
              message = json_set(message, '$.payload.user_id', ${to}),
              unique_key = CASE WHEN unique_key = ${user} AND NOT EXISTS (
                SELECT 1 FROM jobs taken
                WHERE taken.name = jobs.name AND taken.unique_key = ${to}
                  AND taken.state IN ('waiting', 'active')
              ) THEN ${to} ELSE unique_key END
            WHERE ${isOfUser(user)}
          `),
        ),
      forget: (users) =>
        Effect.asVoid(query(sql`DELETE FROM jobs WHERE ${userId} IN ${sql.in(users)}`)),
      claim: Effect.fnUntraced(function* (name, limit) {
        const time = yield* now
        return yield* query(sql<ClaimedRow>`
          UPDATE jobs SET
            state = 'active', attempts = attempts + 1, started_at = ${time},
            leased_until = ${yield* fromNow(leaseMs)}
          WHERE id IN (
            SELECT id FROM jobs WHERE state = 'waiting' AND name = ${name} AND run_at <= ${time}
            ORDER BY priority DESC, run_at, id LIMIT ${limit}
          )
          RETURNING id, name, attempts AS attempt, started_at, max_attempts, message, priority, run_at
        `).pipe(Effect.map((claims) => claims.toSorted(inClaimOrder)))
      }),
      settle: (settlements) => transaction(Effect.forEach(settlements, settle, { discard: true })),
      renew: Effect.fnUntraced(function* (claims) {
        const until = yield* fromNow(leaseMs)
        const renewed = yield* Effect.forEach(claims, (claim) =>
          query(sql<{ id: string }>`
            UPDATE jobs SET leased_until = ${until} WHERE ${isHeld(claim)} RETURNING id
          `),
        )
        return new Set(renewed.flat().map(({ id }) => id))
      }),
      progress: (claim, percent) =>
        Effect.asVoid(query(sql`UPDATE jobs SET progress = ${percent} WHERE ${isHeld(claim)}`)),
      due: Effect.fnUntraced(function* (names) {
        const time = yield* DateTime.now
        const rows = yield* query(sql<{ name: string; run_at: string }>`
          SELECT name, min(run_at) AS run_at FROM jobs
          WHERE state = 'waiting' AND ${sql.in("name", names)} GROUP BY name
        `)
        return rows.map(({ name, run_at }) => ({
          name,
          waitMs: Math.max(
            0,
            DateTime.makeUnsafe(run_at).epochMilliseconds - time.epochMilliseconds,
          ),
        }))
      }),
      maintain: Effect.fnUntraced(function* (wake) {
        yield* Effect.acquireRelease(
          Effect.sync(() => listeners.add(wake)),
          () => Effect.sync(() => listeners.delete(wake)),
        )
        yield* runEvery("2 seconds", rescue)
        yield* runEvery("1 hour", removeOld)
      }),
    })
  }),
)

const one = <E>(rows: Effect.Effect<ReadonlyArray<SqliteRow>, E>) =>
  Effect.map(rows, ([row]) => row && jobOf(row))

const inState = (sql: SqlClient.SqlClient, state: Job["state"], time: Timestamp) => {
  if (state === "waiting") return sql`state = 'waiting' AND run_at <= ${time}`
  return state === "delayed" ? sql`state = 'waiting' AND run_at > ${time}` : sql`state = ${state}`
}
