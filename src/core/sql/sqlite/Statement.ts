import type { SQLInputValue, StatementSync } from "node:sqlite"

/** A prepared statement with its column names and the readers of BOOLEAN and JSON_TEXT columns. */
export class Prepared {
  readonly statement: StatementSync
  private readsBigInts = false
  private names: ReadonlyArray<string> = []
  private toRow: (values: ReadonlyArray<unknown>) => unknown = () => undefined
  private readers: ReadonlyArray<readonly [index: number, read: Reader]> = []

  constructor(statement: StatementSync) {
    this.statement = statement
    // Arrays take half the time of node:sqlite's objects, which also lack a prototype.
    statement.setReturnArrays(true)
    this.describe()
  }

  values(params: ReadonlyArray<SQLInputValue>): ReadonlyArray<Array<unknown>> {
    const values = this.read(params)
    const [first] = values
    if (first === undefined) return values
    // SQLite re-prepares after a schema change: `*` may then return more columns.
    if (first.length !== this.names.length) this.describe()
    if (this.readers.length > 0) {
      for (const row of values)
        for (const [index, read] of this.readers) row[index] = read(row[index])
    }
    return values
  }

  rows(params: ReadonlyArray<SQLInputValue>): ReadonlyArray<unknown> {
    // First, because it may describe the columns anew.
    const rows = this.values(params)
    return rows.map(this.toRow)
  }

  changes(params: ReadonlyArray<SQLInputValue>): ReadonlyArray<unknown> {
    return [this.statement.run(...params)]
  }

  /** Reads integers beyond 2^53 as the nearest number, as on PostgreSQL; node:sqlite throws on them. */
  private read(params: ReadonlyArray<SQLInputValue>): ReadonlyArray<Array<unknown>> {
    if (!this.readsBigInts) {
      try {
        const rows: ReadonlyArray<unknown> = this.statement.all(...params)
        return rows as ReadonlyArray<Array<unknown>>
      } catch (cause) {
        // Only a SELECT may run twice: any other statement has already written.
        if (!isTooLarge(cause) || !/^\s*SELECT/i.test(this.statement.sourceSQL)) throw cause
        this.readsBigInts = true
        this.statement.setReadBigInts(true)
      }
    }
    const rows: ReadonlyArray<unknown> = this.statement.all(...params)
    return (rows as ReadonlyArray<ReadonlyArray<unknown>>).map((row) =>
      row.map((value) => (typeof value === "bigint" ? Number(value) : value)),
    )
  }

  private describe() {
    const columns = this.statement.columns()
    this.names = columns.map(({ name }) => name)
    this.toRow = rowMaker(this.names)
    this.readers = columns.flatMap(({ type }, index) => {
      const read = readers[type?.toUpperCase() ?? ""]
      return read === undefined ? [] : [[index, read] as const]
    })
  }
}

/**
 * Returns a function from the values of a row to its object. Generated, because an object literal is built three times
 * as fast as an object whose keys are set one by one.
 */
const rowMaker = (names: ReadonlyArray<string>) => {
  const fields = names.map((name, index) => `${JSON.stringify(name)}: values[${index}]`)
  // The code holds nothing but indexes and names quoted as JSON, so that no name can run.
  // oxlint-disable-next-line no-new-func -- a loop that sets keys costs 2 to 4 µs more for each list
  return new Function("values", `return { ${fields.join(", ")} }`) as Prepared["toRow"]
}

const isTooLarge = (cause: unknown) =>
  cause instanceof RangeError && "code" in cause && cause.code === "ERR_OUT_OF_RANGE"

type Reader = (value: unknown) => unknown

const readers: Readonly<Record<string, Reader>> = {
  BOOLEAN: (value) => (value === null ? null : value === 1),
  JSON_TEXT: (value): unknown => (typeof value === "string" ? JSON.parse(value) : value),
}

export const toInput = (value: unknown): SQLInputValue => {
  switch (typeof value) {
    case "string":
    case "number":
    case "bigint":
      return value
    case "boolean":
      return value ? 1 : 0
    case "undefined":
      return null
    default:
      return value === null || value instanceof Uint8Array ? value : JSON.stringify(value)
  }
}
