import { json } from "./Bounds.ts"

/**
 * Returns the reason why a text cannot be stored, or undefined. PostgreSQL rejects NUL and lone surrogates; SQLite
 * accepts both.
 */
export const textIssue = (text: string) => {
  if (text.includes("\0")) return "must not contain NUL"
  return text.isWellFormed() ? undefined : "must be well-formed Unicode"
}

/** Bounds for any JSON value: as deep as a request body may be, and of any size. */
export const anyJson: JsonBounds = { maxDepth: json.maxDepth, maxBytes: Infinity }

export interface JsonBounds {
  /** Levels of nesting. An object that contains no objects or arrays has one level. */
  readonly maxDepth: number
  /** The size of the JSON text without white space, in UTF-8 bytes. */
  readonly maxBytes: number
}

/**
 * Returns the reason why a value cannot be stored as JSON; undefined when both databases store and return it unchanged.
 * The reason does not contain the value. Reads no more of the value than fits into `maxBytes`.
 */
export const jsonIssue = (value: unknown, { maxBytes, maxDepth }: JsonBounds) => {
  const tooLarge = `must have at most ${maxBytes} bytes as JSON`
  // A cheap upper bound during the walk; the exact size is checked at the end.
  let bytesLeft = maxBytes
  const visit = (part: unknown, depth: number): string | undefined => {
    bytesLeft -= typeof part === "string" ? part.length + 2 : 1
    if (bytesLeft < 0) return tooLarge
    if (typeof part === "string") return textIssue(part)
    if (typeof part === "number") {
      return Number.isFinite(part) ? undefined : "must not have a number beyond 64 bits"
    }
    if (typeof part === "boolean" || part === null) return undefined
    if (typeof part !== "object") return "must be JSON"
    if (depth > maxDepth) return `must be nested at most ${maxDepth} levels`
    return Array.isArray(part)
      ? firstIssue(part, (item) => visit(item, depth + 1))
      : firstIssue(Object.entries(part), ([key, item]) => visit(key, 0) ?? visit(item, depth + 1))
  }
  const issue = visit(value, 1)
  if (issue !== undefined || maxBytes === Infinity) return issue
  return new TextEncoder().encode(JSON.stringify(value)).length > maxBytes ? tooLarge : undefined
}

const firstIssue = <A>(items: ReadonlyArray<A>, visit: (item: A) => string | undefined) => {
  for (const item of items) {
    const issue = visit(item)
    if (issue !== undefined) return issue
  }
  return undefined
}
