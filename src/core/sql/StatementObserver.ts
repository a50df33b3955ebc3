import { BoundedMap } from "../BoundedMap.ts"
import type { Metrics } from "../telemetry/Metrics.ts"

/** Counts and times statements by operation and first table. Each SQL text is parsed once. */
export const makeObserver = (metrics: Metrics["Service"]) => {
  const subjects = new BoundedMap<string, Subject | null>(maxSubjects)
  return (sql: string, started: number) => {
    let subject = subjects.get(sql)
    if (subject === undefined) {
      subject = subjectOf(sql)
      subjects.set(sql, subject)
    }
    if (subject === null) return
    metrics.query(subject.operation, subject.table, (performance.now() - started) / 1000)
  }
}

const maxSubjects = 1000

interface Subject {
  readonly operation: "SELECT" | "INSERT" | "UPDATE" | "DELETE"
  readonly table: string
}

/** `null` for statements without a table: BEGIN, SET, SELECT 1. */
const subjectOf = (sql: string): Subject | null => {
  const [, operation, table] = subjectPattern.exec(sql) ?? []
  return operation === undefined || table === undefined
    ? null
    : { operation: operation.toUpperCase() as Subject["operation"], table: table.toLowerCase() }
}

const subjectPattern =
  /^\s*(SELECT|INSERT|UPDATE|DELETE)\b(?:(?<=UPDATE)|[^]*?\b(?:FROM|INTO)\b)\s+"?([a-z_]\w*)/i
