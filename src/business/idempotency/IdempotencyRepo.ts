import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../core/sql/Database.ts"
import type { ConflictError, ServiceUnavailableError } from "../../domain/Errors.ts"
import type { Timestamp } from "../../domain/Fields.ts"
import type { UserId } from "../../domain/users/User.ts"

/** The unique key of a row: an idempotency key is unique per user and route. */
export interface Scope {
  readonly user_id: UserId
  readonly route: string
  readonly key: string
}

export interface IdempotencyRow extends Scope {
  /** The fingerprint of the answered request. */
  readonly fingerprint: string
  readonly status: number
  readonly body: string | null
  readonly created_at: Timestamp
  /** Set while an external service is called (`Claims`). */
  readonly claim_id?: string | null
  readonly leased_until?: Timestamp | null
}

export class IdempotencyRepo extends Context.Service<
  IdempotencyRepo,
  {
    /**
     * Locks the key until the transaction ends; false if another transaction holds it. Never waits, so that a slow
     * request does not occupy a second connection.
     */
    readonly tryLock: (scope: Scope) => Effect.Effect<boolean, ServiceUnavailableError>
    readonly find: (
      scope: Scope,
    ) => Effect.Effect<IdempotencyRow | undefined, ServiceUnavailableError>
    readonly insert: (
      row: IdempotencyRow,
    ) => Effect.Effect<void, ConflictError | ServiceUnavailableError>
    readonly remove: (scope: Scope) => Effect.Effect<void, ServiceUnavailableError>
    /** Replaces a claim by its answer. */
    readonly answer: (
      scope: Scope,
      claim_id: string,
      answer: Pick<IdempotencyRow, "status" | "body">,
    ) => Effect.Effect<void, ServiceUnavailableError>
    /** Deletes a claim that has no answer. */
    readonly release: (
      scope: Scope,
      claim_id: string,
    ) => Effect.Effect<void, ServiceUnavailableError>
  }
>()("plinth/business/idempotency/IdempotencyRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { dialect, query, write } = yield* Database

      const scopeCondition = ({ key, route, user_id }: Scope) =>
        sql`user_id = ${user_id} AND route = ${route} AND key = ${key}`

      return IdempotencyRepo.of({
        // A transaction on SQLite locks the whole database from its start.
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
          sql<IdempotencyRow>`SELECT * FROM idempotency_keys WHERE ${scopeCondition(scope)}`.pipe(
            query,
            Effect.map(([row]) => row),
          ),
        insert: (row) =>
          sql`INSERT INTO idempotency_keys ${sql.insert({ ...row })}`.pipe(
            write("Request"),
            Effect.asVoid,
          ),
        remove: (scope) =>
          Effect.asVoid(query(sql`DELETE FROM idempotency_keys WHERE ${scopeCondition(scope)}`)),
        answer: (scope, claim_id, { body, status }) =>
          Effect.asVoid(
            query(sql`
              UPDATE idempotency_keys SET status = ${status}, body = ${body}
              WHERE ${scopeCondition(scope)} AND claim_id = ${claim_id}
            `),
          ),
        release: (scope, claim_id) =>
          Effect.asVoid(
            query(sql`
              DELETE FROM idempotency_keys
              WHERE ${scopeCondition(scope)} AND claim_id = ${claim_id} AND status = 0
            `),
          ),
      })
    }),
  )
}
