/** The reason why a text cannot be stored: PostgreSQL takes neither NUL nor lone surrogates, SQLite takes both. */
export const textIssue = (text: string) => {
  if (text.includes("\0")) return "must not contain NUL"
  return text.isWellFormed() ? undefined : "must be well-formed Unicode"
}

/** Whatever JSON may be stored, as deep as the body of a request may be. */
export const anyJson: JsonBounds = { maxDepth: 64, maxBytes: Infinity }

export interface JsonBounds {
  /** Levels of nesting; an object without objects or arrays in it has one. */
  readonly maxDepth: number
  /** UTF-8, as JSON text without white space. */
  readonly maxBytes: number
}

/**
 * The reason why a value cannot be stored as JSON; undefined when both databases store it and give it back as it was.
 * Says nothing of the value. Looks at no more of it than fits into `maxBytes`.
 */
export const jsonIssue = (value: unknown, { maxBytes, maxDepth }: JsonBounds) => {
  const tooLarge = `must have at most ${maxBytes} bytes as JSON`
  // At least so many bytes are left: a cheap bound for the walk, exact only at its end.
  let bytesLeft = maxBytes
  const visit = (part: unknown, depth: number): string | undefined => {
    bytesLeft -= typeof part === "string" ? part.length + 2 : 1
    if (bytesLeft < 0) return tooLarge
    if (typeof part === "string") return textIssue(part)
    if (typeof part === "number") {
      return Number.isFinite(part) ? undefined : "must have no number beyond those of 64 bits"
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
