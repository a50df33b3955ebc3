import { memoize } from "../Memoize.ts"
import type { Registry } from "./Registry.ts"

type Operation = "SELECT" | "INSERT" | "UPDATE" | "DELETE"

/** Metrics of SQL statements. */
export interface DatabaseMetrics {
  readonly query: (operation: Operation, table: string, seconds: number) => void
  readonly databaseError: (type: string) => void
}

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

export const make = ({ counter, histogram }: Registry): DatabaseMetrics => {
  const queries = counter("db_queries_total", "SQL statements executed.")
  const times = histogram(
    "db_query_duration_seconds",
    "SQL statement duration, including the wait for a connection.",
    buckets,
  )
  const statements = memoize((operation: Operation) =>
    memoize((table: string) => {
      const labels = { operation, table }
      return { count: queries(labels), time: times(labels) }
    }),
  )
  const errors = counter("db_errors_total", "Failed SQL statements.")
  const errorsOf = memoize((error_type: string) => errors({ error_type }))

  return {
    query: (operation, table, seconds) => {
      const { count, time } = statements(operation)(table)
      count(1)
      time(seconds)
    },
    databaseError: (type) => errorsOf(type)(1),
  }
}
