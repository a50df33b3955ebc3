import { Effect, Schema } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import type { ConflictError, ReadError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { now, Timestamp } from "../../domain/Fields.ts"
import type { Page, Position, Window } from "../../domain/Page.ts"
import { Database } from "./Database.ts"
import * as Table from "./Table.ts"

type Entity = Table.Entity

/** The type of the scope column, or `null` for a table without one. */
type ScopeOf<M extends Entity, C> = C extends keyof M["Type"] ? M["Type"][C] : null

/** The fields that may change: the update variant without the id, the scope and `updated_at`. */
type Patch<M extends Entity, C> = Partial<
  Omit<M["update"]["Type"], "id" | "updated_at" | (C extends string ? C : never)>
>

/**
 * The rows of one table. Every method but `insert` sees only rows of its scope, so that the row of another owner is
 * indistinguishable from a missing one. Lists are newest first. `where` is an additional condition on the columns.
 */
export interface Repository<M extends Entity, C> {
  readonly get: (scope: ScopeOf<M, C>, id: M["Type"]["id"]) => Effect.Effect<M["Type"], ReadError>
  readonly list: (
    scope: ScopeOf<M, C>,
    window: Window,
    where?: Statement.Fragment,
  ) => Effect.Effect<Page<M["Type"]>, ServiceUnavailableError>
  /** Returns the rows after a position, and the position of the next page; `null` after the last row. */
  readonly listAfter: (
    scope: ScopeOf<M, C>,
    options: { readonly position: Position; readonly limit: number },
    where?: Statement.Fragment,
  ) => Effect.Effect<
    { readonly items: ReadonlyArray<M["Type"]>; readonly next: Position | null },
    ServiceUnavailableError
  >
  readonly count: (
    scope: ScopeOf<M, C>,
    where?: Statement.Fragment,
  ) => Effect.Effect<number, ServiceUnavailableError>
  readonly insert: (
    row: M["insert"]["Type"],
  ) => Effect.Effect<M["Type"], ConflictError | ServiceUnavailableError>
  /** Changes the fields of the patch, and `updated_at`. An empty patch changes nothing. */
  readonly update: (
    scope: ScopeOf<M, C>,
    id: M["Type"]["id"],
    patch: Patch<M, C>,
  ) => Effect.Effect<M["Type"], ReadError | ConflictError>
  /** Deletes the row permanently. */
  readonly delete: (scope: ScopeOf<M, C>, id: M["Type"]["id"]) => Effect.Effect<void, ReadError>
}

/** A `Repository` for a table with `deleted_at`: the inherited methods see only rows that are not deleted. */
export interface SoftDeleting<M extends Entity, C> extends Repository<M, C> {
  readonly softDelete: (scope: ScopeOf<M, C>, id: M["Type"]["id"]) => Effect.Effect<void, ReadError>
  readonly restore: (
    scope: ScopeOf<M, C>,
    id: M["Type"]["id"],
  ) => Effect.Effect<M["Type"], ReadError>
  /** Reads all rows of the scope; `deleted_at` is null in those that are not deleted. */
  readonly withDeleted: {
    readonly get: (
      scope: ScopeOf<M, C>,
      id: M["Type"]["id"],
    ) => Effect.Effect<M["Type"] & Deleted, ReadError>
    readonly list: (
      scope: ScopeOf<M, C>,
      window: Window,
    ) => Effect.Effect<Page<M["Type"] & Deleted>, ServiceUnavailableError>
  }
}

interface Deleted {
  readonly deleted_at: Timestamp | null
}

interface Options<C> {
  readonly table: string
  /** The name of an entity in errors. */
  readonly resource: string
  /** The column with a row's owner; `null` for a table without owners. */
  readonly scope: C
}

type Column<M extends Entity> = (keyof M["Type"] & string) | null

/** Makes the repository of a table without soft deletion. */
export const make = Effect.fnUntraced(function* <M extends Entity, const C extends Column<M>>(
  model: M,
  options: Options<C>,
): Effect.fn.Return<Repository<M, C>, never, Database | SqlClient.SqlClient> {
  const source = { sql: yield* SqlClient.SqlClient, database: yield* Database, ...options }
  const table = Table.make<M["Type"]>({ ...source, fields: model.fields, conditions: [] })
  return { ...table.reads, ...Table.writes(table, model) }
})

/** Makes the repository of a table with `deleted_at`. */
export const makeSoftDeleting = Effect.fnUntraced(function* <
  M extends Entity,
  const C extends Column<M>,
>(
  model: M,
  options: Options<C>,
): Effect.fn.Return<SoftDeleting<M, C>, never, Database | SqlClient.SqlClient> {
  const source = { sql: yield* SqlClient.SqlClient, database: yield* Database, ...options }
  const table = <Row>(fields: Schema.Struct.Fields, ...conditions: ReadonlyArray<string>) =>
    Table.make<Row>({ ...source, fields, conditions })
  const { query } = source.database
  const live = table<M["Type"]>(model.fields, "deleted_at IS NULL")
  const deleted = table<M["Type"]>(model.fields, "deleted_at IS NOT NULL")
  const all = table<M["Type"] & Deleted>({
    ...model.fields,
    deleted_at: Schema.NullOr(Timestamp),
  })

  const deletion = live.statement(
    `UPDATE ${options.table} SET deleted_at = ? ${live.where("id = ?")} RETURNING id`,
  )
  const restoration = deleted.statement(
    `UPDATE ${options.table} SET deleted_at = NULL ${deleted.where("id = ?")}
     RETURNING ${deleted.columns}`,
  )
  return {
    ...live.reads,
    ...Table.writes(live, model),
    softDelete: (scope, id) =>
      Effect.flatMap(now, (time) =>
        live.one(
          scope,
          id,
          (ids) => query(deletion([time, ...ids])),
          () => undefined,
        ),
      ),
    restore: (scope, id) => deleted.one(scope, id, (ids) => query(restoration(ids)), deleted.first),
    withDeleted: { get: all.reads.get, list: all.reads.list },
  }
})
