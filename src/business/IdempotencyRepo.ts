import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../core/Database.ts"
import type { ConflictError, ServiceUnavailableError } from "../domain/Errors.ts"
import type { Timestamp } from "../domain/Fields.ts"
import type { UserId } from "../domain/User.ts"

/** What a key is unique within. */
export interface Scope {
  readonly user_id: UserId
  readonly route: string
  readonly key: string
}

export interface IdempotencyRow extends Scope {
  /** Of the request that it answers. */
  readonly fingerprint: string
  readonly status: number
  readonly body: string | null
  readonly created_at: Timestamp
  /** Of a claim. */
  readonly claim_id?: string | null
  readonly leased_until?: Timestamp | null
}

export class IdempotencyRepo extends Context.Service<
  IdempotencyRepo,
  {
    /**
     * Whether nobody else has the key in a transaction. If so, nobody has until this one ends. Waits for nobody, so
     * that a slow request takes no second connection.
     */
    readonly tryLock: (scope: Scope) => Effect.Effect<boolean, ServiceUnavailableError>
    readonly find: (
      scope: Scope,
    ) => Effect.Effect<IdempotencyRow | undefined, ServiceUnavailableError>
    readonly insert: (
      row: IdempotencyRow,
    ) => Effect.Effect<void, ConflictError | ServiceUnavailableError>
    readonly remove: (scope: Scope) => Effect.Effect<void, ServiceUnavailableError>
    /** In place of the claim. */
    readonly answer: (
      scope: Scope,
      claim_id: string,
      answer: Pick<IdempotencyRow, "status" | "body">,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /** Gives up a claim without an answer. */
    readonly release: (
      scope: Scope,
      claim_id: string,
    ) => Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/business/IdempotencyRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { dialect, query, write } = yield* Database

      const at = ({ key, route, user_id }: Scope) =>
        sql`user_id = ${user_id} AND route = ${route} AND key = ${key}`

      return IdempotencyRepo.of({
        // A transaction on SQLite is the only one from its start.
        tryLock: ({ key, route, user_id }) =>
          dialect === "sqlite"
            ? Effect.succeed(true)
            : sql<{ readonly locked: boolean }>`
                SELECT pg_try_advisory_xact_lock(
                  hashtextextended(${JSON.stringify([user_id, route, key])}, 0)
                ) AS locked
              `.pipe(
                query,
                Effect.map(([row]) => row?.locked === true),
              ),
        find: (scope) =>
          sql<IdempotencyRow>`SELECT * FROM idempotency_keys WHERE ${at(scope)}`.pipe(
            query,
            Effect.map(([row]) => row),
          ),
        insert: (row) =>
          sql`INSERT INTO idempotency_keys ${sql.insert({ ...row })}`.pipe(
            write("Request"),
            Effect.asVoid,
          ),
        remove: (scope) =>
          Effect.asVoid(query(sql`DELETE FROM idempotency_keys WHERE ${at(scope)}`)),
        answer: (scope, claim_id, { body, status }) =>
          Effect.asVoid(
            query(sql`
              UPDATE idempotency_keys SET status = ${status}, body = ${body}
              WHERE ${at(scope)} AND claim_id = ${claim_id}
            `),
          ),
        release: (scope, claim_id) =>
          Effect.asVoid(
            query(sql`
              DELETE FROM idempotency_keys
              WHERE ${at(scope)} AND claim_id = ${claim_id} AND status = 0
            `),
          ),
      })
    }),
  )
}
