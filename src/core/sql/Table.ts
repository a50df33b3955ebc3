import { Effect, Schema, SchemaAST } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { NotFoundError, type ServiceUnavailableError } from "../../domain/Errors.ts"
import { now, type Timestamp } from "../../domain/Fields.ts"
import { textIssue } from "../../domain/Storable.ts"
import type { Page, Position, Window } from "../../domain/Page.ts"
import type { Database } from "./Database.ts"
import { jsonText } from "./JsonText.ts"

/**
 * The statements of `Repository`. Their texts are built once: compiling a template costs more than running it. `?`
 * stands for a parameter on both databases. The scope is the first parameter of every condition.
 */
interface Source {
  readonly sql: SqlClient.SqlClient
  readonly database: Database["Service"]
  readonly table: string
  readonly resource: string
  readonly scope: string | null
  /** The columns to read. */
  readonly fields: Schema.Struct.Fields
  /** Conditions on all rows; rows that do not match are invisible. */
  readonly conditions: ReadonlyArray<string>
}

/** A `Model.Class` with an id and its time of creation, which define the order "newest first". */
export type Entity = Schema.Top & {
  readonly Type: { readonly id: string; readonly created_at: Timestamp }
  readonly fields: Schema.Struct.Fields
  readonly insert: Schema.Top & { readonly fields: Schema.Struct.Fields }
  readonly update: Schema.Top & { readonly fields: Schema.Struct.Fields }
}

type Params = ReadonlyArray<unknown>
type Row = Readonly<Record<string, unknown>>

export type Table<A> = ReturnType<typeof make<A>>

export const make = <A>(source: Source) => {
  const { sql, database, table, resource } = source
  const columns = Object.keys(source.fields).join(", ")
  const conditions =
    source.scope === null ? source.conditions : [`${source.scope} = ?`, ...source.conditions]
  const where = (...more: ReadonlyArray<string>) => {
    const all = [...conditions, ...more]
    return all.length === 0 ? "" : `WHERE ${all.join(" AND ")}`
  }
  const scopeParams = (scope: unknown): Params => (source.scope === null ? [] : [scope])

  const decode = Schema.decodeUnknownSync(
    Schema.Array(Schema.Struct(source.fields)) as Schema.Top as Schema.Codec<ReadonlyArray<A>>,
  )
  const decodeFirst = (rows: ReadonlyArray<Row>) => decode(rows)[0] as A

  const statement = (text: string) => {
    let count = 0
    const nativeText = database.dialect === "pg" ? text.replaceAll("?", () => `$${++count}`) : text
    return database.fixed<Row>(nativeText)
  }

  /**
   * Builds a statement with an optional condition of the caller. `f` receives the parameters of the conditions and
   * returns those of the whole statement.
   */
  const filterable = (text: (...filter: ReadonlyArray<string>) => string) => {
    const plain = statement(text())
    const template = Object.assign(text("(?)").split("?"), { raw: [] })
    return (filter: Statement.Fragment | undefined, scope: unknown, f: (given: Params) => Params) =>
      database.query(
        filter === undefined
          ? plain(f(scopeParams(scope)))
          : sql<Row>(template, ...f([...scopeParams(scope), filter])),
      )
  }

  // SQLite re-plans a statement whenever a plain LIMIT parameter is bound (+60 % for a page of 20); `+` avoids it.
  const newest = "ORDER BY created_at DESC, id DESC LIMIT +?"
  const selectOne = statement(`SELECT ${columns} FROM ${table} ${where("id = ?")}`)
  const selectPage = filterable(
    (...filter) =>
      `SELECT ${columns}, (SELECT count(*) FROM ${table} ${where(...filter)}) AS total
       FROM ${table} ${where(...filter)} ${newest} OFFSET +?`,
  )
  const selectFirst = filterable(
    (...filter) => `SELECT ${columns} FROM ${table} ${where(...filter)} ${newest}`,
  )
  const selectAfter = filterable(
    (...filter) =>
      `SELECT ${columns} FROM ${table} ${where(...filter, "(created_at, id) < (?, ?)")} ${newest}`,
  )
  const selectCount = filterable(
    (...filter) => `SELECT count(*) AS total FROM ${table} ${where(...filter)}`,
  )

  const notFound = (id: string) => Effect.fail(new NotFoundError({ resource, id }))

  /** Runs a statement on one row and applies `f`. `ids`, scope and id, are the statement's last parameters. */
  const runOne = <B, E>(
    scope: unknown,
    id: string,
    run: (ids: Params) => Effect.Effect<ReadonlyArray<Row>, E>,
    f: (rows: ReadonlyArray<Row>) => B,
  ): Effect.Effect<B, E | NotFoundError> =>
    isStorable(id) && isStorable(scope)
      ? Effect.flatMap(run([...scopeParams(scope), id]), (rows) =>
          rows.length === 0 ? notFound(id) : Effect.succeed(f(rows)),
        )
      : notFound(id)

  const count = (scope: unknown, filter?: Statement.Fragment) =>
    Effect.map(selectCount(filter, scope, unchanged), totalOf)

  const get = (scope: unknown, id: string) =>
    runOne(scope, id, (ids) => database.query(selectOne(ids)), decodeFirst)

  const list = (
    scope: unknown,
    { skip, limit }: Window,
    filter?: Statement.Fragment,
  ): Effect.Effect<Page<A>, ServiceUnavailableError> =>
    Effect.flatMap(
      selectPage(filter, scope, (given) => [...given, ...given, limit, skip]),
      (rows) =>
        rows.length > 0 || skip === 0
          ? Effect.succeed({ items: decode(rows), total: totalOf(rows), skip, limit })
          : Effect.map(count(scope, filter), (total) => ({ items: [], total, skip, limit })),
    )

  const listAfter = (
    scope: unknown,
    { position, limit }: { readonly position: Position; readonly limit: number },
    filter?: Statement.Fragment,
  ) =>
    Effect.map(
      position.id === ""
        ? selectFirst(filter, scope, (given) => [...given, limit + 1])
        : selectAfter(filter, scope, (given) => [
            ...given,
            position.created_at,
            position.id,
            limit + 1,
          ]),
      (rows) => {
        const page = rows.slice(0, limit)
        return {
          items: decode(page),
          next: rows.length > limit ? positionOf(page.at(-1)) : null,
        }
      },
    )

  return {
    source,
    columns,
    where,
    statement,
    first: decodeFirst,
    one: runOne,
    reads: { get, list, listAfter, count },
  }
}

export const writes = <M extends Entity>(table: Table<M["Type"]>, model: M) => {
  const { source, columns, where, statement, first, one, reads } = table
  const write = source.database.write(source.resource)
  const toColumn = encoder(model.insert.fields)

  const inserted = Object.keys(model.insert.fields)
  const insertion = statement(
    `INSERT INTO ${source.table} (${inserted.join(", ")})
     VALUES (${inserted.map(() => "?").join(", ")}) RETURNING ${columns}`,
  )
  const insert = (row: unknown) => {
    const values = inserted.map((name) => toColumn(name, (row as Row)[name]))
    return Effect.map(write(insertion(values)), first)
  }

  const fixedColumns = new Set(["id", "updated_at", source.scope])
  const changeable = Object.keys(model.update.fields).filter((name) => !fixedColumns.has(name))
  const updateStatements = new Map<string, ReturnType<typeof statement>>()
  const updateStatement = (names: ReadonlyArray<string>) => {
    const assignments = [...names, "updated_at"].map((name) => `${name} = ?`).join(", ")
    const existing = updateStatements.get(assignments)
    if (existing !== undefined) return existing
    const created = statement(
      `UPDATE ${source.table} SET ${assignments} ${where("id = ?")} RETURNING ${columns}`,
    )
    updateStatements.set(assignments, created)
    return created
  }
  const update = (scope: unknown, id: string, patch: unknown) => {
    const given = patch as Row
    const names = changeable.filter((name) => given[name] !== undefined)
    if (names.length === 0) return reads.get(scope, id)
    const values = names.map((name) => toColumn(name, given[name]))
    return Effect.flatMap(now, (time) =>
      one(scope, id, (ids) => write(updateStatement(names)([...values, time, ...ids])), first),
    )
  }

  const removal = statement(`DELETE FROM ${source.table} ${where("id = ?")} RETURNING id`)
  const remove = (scope: unknown, id: string) =>
    one(
      scope,
      id,
      (ids) => source.database.query(removal(ids)),
      () => undefined,
    )

  return { insert, update, delete: remove }
}

/** False for text that a database cannot store, and would fail on: no row has such an id. */
const isStorable = (value: unknown) => typeof value !== "string" || textIssue(value) === undefined

const unchanged = (params: Params) => params

const totalOf = ([row]: ReadonlyArray<Row>) => (row === undefined ? 0 : Number(row["total"]))

const positionOf = (row: Row | undefined): Position | null =>
  row === undefined ? null : { created_at: row["created_at"] as Timestamp, id: String(row["id"]) }

/** Encodes JSON columns as text, on both databases. Other values are unchanged. */
const encoder = (fields: Schema.Struct.Fields) => {
  const json = new Set(Object.keys(fields).filter((name) => columnKind(fields[name]) === "json"))
  return (name: string, value: unknown) =>
    json.has(name) && value !== null ? jsonText(value) : value
}

const columnOf = SchemaAST.resolveAt<string>("column")

/** Returns the `column` annotation of a field; a nullable field has it on a member of its union. */
const columnKind = (field: Schema.Constraint | undefined): string | undefined => {
  if (field === undefined) return undefined
  const asts = SchemaAST.isUnion(field.ast) ? field.ast.types : [field.ast]
  return asts.map(columnOf).find((kind) => kind !== undefined)
}
