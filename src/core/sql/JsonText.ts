import { textIssue } from "../../domain/Storable.ts"

/**
 * Encodes JSON with object keys in the order of PostgreSQL's JSONB: by length, then by byte. SQLite stores the text, so
 * both databases return an object's keys in the same order. Throws on values that PostgreSQL would reject and on
 * numbers that would become null; input must be validated before.
 */
export const jsonText = (value: unknown) =>
  JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === "string") return storable(part)
    if (typeof part === "number" && !Number.isFinite(part)) throw unstorable("is not finite")
    return typeof part === "object" && part !== null && !Array.isArray(part) ? ordered(part) : part
  })

const storable = (text: string) => {
  const issue = textIssue(text)
  if (issue !== undefined) throw unstorable(issue)
  return text
}

const unstorable = (issue: string) => new TypeError(`A value of a JSON column ${issue}`)

const ordered = (object: object) =>
  Object.fromEntries(
    Object.entries(object)
      .map(([key, value]) => ({ bytes: Buffer.from(storable(key)), key, value }))
      .toSorted(
        (one, other) => one.bytes.length - other.bytes.length || one.bytes.compare(other.bytes),
      )
      .map(({ key, value }) => [key, value]),
  )
