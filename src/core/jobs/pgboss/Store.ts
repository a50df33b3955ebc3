import { Effect, Layer } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { JobId } from "../../../domain/jobs/Job.ts"
import { Database } from "../../sql/Database.ts"
import { JobStore, leaseMs, lostProcess, runEvery } from "../Store.ts"
import * as PgBossJob from "./Row.ts"
import { PgBosses } from "./Bosses.ts"
import { isUuid } from "../../Uuid.ts"

/**
 * Jobs in the tables of pg-boss, which migrates them, inserts and claims jobs and removes old ones. Where it has no
 * call, or needs several for one statement, our own SQL runs on `pgboss.job`: hence its version is pinned exactly, and
 * the laws of `JobStore` run against it. Times are those of the server.
 *
 * Every queue has the policy `exclusive`: at most one job per key waits or runs. A job without a unique key has its id
 * as its key. Ids are UUIDv7 and therefore sort by time.
 */
export const layer = Layer.effect(
  JobStore,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { query, write } = yield* Database
    const bosses = yield* PgBosses

    const names = sql`(SELECT name FROM pgboss.queue)`
    const columns = sql.literal(
      `id::text AS id, name, state::text AS state, start_after > pgboss.job_now() AS is_delayed, data,
       retry_count, retry_limit, output, singleton_key, start_after, started_on, completed_on`,
    )
    const userId = sql.literal(`data -> 'payload' ->> 'user_id'`)
    const isOfUser = (user: string) => sql`${userId} = ${user}`
    /** Compares in milliseconds: leases lost the server's microseconds when they were read. */
    const startedAt = (time: Statement.Fragment) =>
      sql`date_trunc('milliseconds', job.started_on) = ${time}::timestamptz`

    /** Ends attempts with expired leases; pg-boss needs six statements. Locked rows are being settled or renewed. */
    const rescue = query(sql`
      WITH lost AS (
        SELECT name, id FROM pgboss.job
        WHERE name IN ${names} AND state = 'active'
          AND heartbeat_on < pgboss.job_now() - ${leaseMs}::float8 * interval '1 ms'
        FOR UPDATE SKIP LOCKED
      )
      UPDATE pgboss.job SET
        state = CASE
          WHEN retry_count < retry_limit THEN 'retry'::pgboss.job_state
          ELSE 'failed'::pgboss.job_state
        END,
        completed_on = CASE WHEN retry_count < retry_limit THEN NULL ELSE pgboss.job_now() END,
        output = ${JSON.stringify({ error: lostProcess })}::text::jsonb,
        heartbeat_on = NULL,
        start_after = pgboss.job_now()
      FROM lost
      WHERE job.name = lost.name AND job.id = lost.id
    `)

    return JobStore.of({
      insert: ({ delayMs, id, max_attempts, name, priority, unique_key, ...message }) =>
        Effect.map(
          bosses.call((boss, db) =>
            boss.send(name, message, {
              id,
              priority,
              singletonKey: unique_key ?? id,
              retryLimit: max_attempts - 1,
              ...(delayMs > 0 && { startAfter: delayMs / 1000 }),
              db,
            }),
          ),
          (inserted) => inserted !== null,
        ),
      get: (id) =>
        ifUuid(
          id,
          one(
            query(
              sql<PgBossJob.PgBossRow>`SELECT ${columns} FROM pgboss.job WHERE name IN ${names} AND id = ${id}`,
            ),
          ),
        ),
      findByKey: (name, key) =>
        Effect.map(
          query(sql<{ id: string }>`
            SELECT id::text AS id FROM pgboss.job
            WHERE name = ${name} AND COALESCE(singleton_key, '') = ${key}
              AND state <= 'active' AND policy = 'exclusive'
          `),
          ([row]) => row && JobId.make(row.id),
        ),
      list: ({ before, limit, name, state, user }) => {
        if (before !== undefined && !isUuid(before)) return Effect.succeed([])
        const conditions = [
          sql`name = queue.name`,
          ...(state === undefined ? [] : [PgBossJob.inState(sql, state)]),
          ...(user === undefined ? [] : [isOfUser(user)]),
          ...(before === undefined ? [] : [sql`id < ${before}`]),
        ]
        // Reads at most `limit` jobs of each name by the primary key, however many there are.
        return Effect.map(
          query(sql<PgBossJob.PgBossRow>`
            SELECT newest.* FROM pgboss.queue
            CROSS JOIN LATERAL (
              SELECT ${columns} FROM pgboss.job WHERE ${sql.and(conditions)}
              ORDER BY pgboss.job.id DESC LIMIT ${limit}
            ) newest
            WHERE ${name === undefined ? sql`TRUE` : sql`queue.name = ${name}`}
            ORDER BY newest.id DESC LIMIT ${limit}
          `),
          (rows) => rows.map(PgBossJob.jobOf),
        )
      },
      counts: Effect.map(
        query(sql<PgBossJob.PgBossRow & { readonly count: number }>`
          SELECT state::text AS state, start_after > pgboss.job_now() AS is_delayed,
            count(*) AS count
          FROM pgboss.job GROUP BY 1, 2
        `),
        (rows) => rows.map((row) => ({ state: PgBossJob.stateOf(row), count: row.count })),
      ),
      waiting: query(sql<{ name: string; count: number }>`
        SELECT name, count(*) AS count FROM pgboss.job
        WHERE state < 'active' AND NOT blocked GROUP BY name
      `),
      retry: (id) =>
        ifUuid(
          id,
          one(
            write("Job")(sql<PgBossJob.PgBossRow>`
              UPDATE pgboss.job SET
                state = 'retry', retry_limit = GREATEST(retry_limit, retry_count + 1),
                start_after = pgboss.job_now(), completed_on = NULL, output = output - 'progress'
              WHERE name IN ${names} AND id = ${id} AND state IN ('failed', 'cancelled')
              RETURNING ${columns}
            `),
          ),
        ),
      cancel: (id) =>
        ifUuid(
          id,
          one(
            query(sql<PgBossJob.PgBossRow>`
              UPDATE pgboss.job SET state = 'cancelled', completed_on = pgboss.job_now()
              WHERE name IN ${names} AND id = ${id} AND state <= 'active'
              RETURNING ${columns}
            `),
          ),
        ),
      relink: (user, to) =>
        Effect.asVoid(
          query(sql`
            UPDATE pgboss.job SET
              data = jsonb_set(data, '{payload,user_id}', to_jsonb(${to}::text)),
              singleton_key = CASE WHEN singleton_key = ${user} AND NOT EXISTS (
                SELECT 1 FROM pgboss.job taken
                WHERE taken.name = job.name AND taken.singleton_key = ${to} AND taken.state <= 'active'
              ) THEN ${to} ELSE singleton_key END
            WHERE name IN ${names} AND ${isOfUser(user)}
          `),
        ),
      forget: (users) =>
        Effect.asVoid(
          query(
            sql`DELETE FROM pgboss.job WHERE name IN ${names} AND ${userId} IN ${sql.in(users)}`,
          ),
        ),
      claim: (name, limit) =>
        Effect.map(
          bosses.call((boss, db) =>
            boss.fetch(name, { batchSize: limit, includeMetadata: true, db }),
          ),
          (jobs) => jobs.toSorted(PgBossJob.inClaimOrder).map(PgBossJob.claimOf),
        ),
      settle: (settlements) =>
        Effect.asVoid(
          query(sql`
            WITH settled AS (
              SELECT * FROM json_to_recordset(${JSON.stringify(settlements.map(PgBossJob.settlementOf))}::text::json)
              AS s (
                name text, id uuid, retry_count int, started_on text,
                state text, output jsonb, delay_ms float8
              )
            )
            UPDATE pgboss.job SET
              state = s.state::pgboss.job_state,
              output = COALESCE(s.output, job.output),
              completed_on = CASE WHEN s.state IN ('completed', 'failed') THEN pgboss.job_now() END,
              started_on = CASE WHEN s.state = 'created' THEN NULL ELSE job.started_on END,
              heartbeat_on = NULL,
              start_after = CASE
                WHEN s.delay_ms IS NULL THEN job.start_after
                ELSE pgboss.job_now() + s.delay_ms * interval '1 ms'
              END
            FROM settled s
            WHERE job.name = s.name AND job.id = s.id
              AND job.state = 'active' AND job.retry_count = s.retry_count
              AND ${startedAt(sql`s.started_on`)}
          `),
        ),
      renew: (claims) =>
        Effect.map(
          query(sql<{ id: string }>`
            WITH held AS (
              SELECT * FROM json_to_recordset(${JSON.stringify(claims.map(PgBossJob.leaseOf))}::text::json)
              AS h (name text, id uuid, retry_count int, started_on text)
            )
            UPDATE pgboss.job SET heartbeat_on = pgboss.job_now()
            FROM held h
            WHERE job.name = h.name AND job.id = h.id
              AND job.state = 'active' AND job.retry_count = h.retry_count
              AND ${startedAt(sql`h.started_on`)}
            RETURNING job.id::text AS id
          `),
          (rows) => new Set(rows.map(({ id }) => id)),
        ),
      progress: ({ attempt, id, name, started_at }, percent) =>
        Effect.asVoid(
          query(sql`
            UPDATE pgboss.job
            SET output = COALESCE(output, '{}') || jsonb_build_object('progress', ${percent}::float8)
            WHERE name = ${name} AND id = ${id} AND state = 'active' AND retry_count = ${attempt - 1}
              AND ${startedAt(sql`${started_at}`)}
          `),
        ),
      due: (kinds) =>
        query(sql<{ name: string; waitMs: number }>`
          SELECT kind.name, LEAST(60000, GREATEST(0,
            ceil(EXTRACT(EPOCH FROM min(next.start_after) - pgboss.job_now()) * 1000)))::float8 AS "waitMs"
          FROM unnest(${kinds}::text[]) kind (name)
          CROSS JOIN LATERAL (
            (SELECT start_after FROM pgboss.job
             WHERE name = kind.name AND state = 'created' AND NOT blocked
             ORDER BY start_after LIMIT 1)
            UNION ALL
            (SELECT start_after FROM pgboss.job
             WHERE name = kind.name AND state = 'retry' AND NOT blocked
             ORDER BY start_after LIMIT 1)
          ) next
          GROUP BY kind.name
        `),
      maintain: (wake) => Effect.andThen(bosses.maintain(wake), runEvery("2 seconds", rescue)),
    })
  }),
).pipe(Layer.provide(PgBosses.layer))

const one = <E>(rows: Effect.Effect<ReadonlyArray<PgBossJob.PgBossRow>, E>) =>
  Effect.map(rows, ([row]) => row && PgBossJob.jobOf(row))

/** Returns undefined for an id that is not a UUID: no job has it, and PostgreSQL would fail on it. */
const ifUuid = <A, E>(id: string, found: Effect.Effect<A | undefined, E>) =>
  isUuid(id) ? found : Effect.undefined
