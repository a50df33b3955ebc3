import { SchemaIssue } from "effect"
import { echo } from "./Echo.ts"
import { ValidationError } from "./Errors.ts"

/** The issues that one answer tells; the others are counted. */
export const maxIssues = 100

/** A path has keys that may be the client's own, a message all literals of a union. A body of 100 calls fits into 64 KB. */
const maxPathBytes = 100
const maxMessageBytes = 250

type Path = ReadonlyArray<PropertyKey>

/** Collects what is wrong with an input, by place and never by value: the first 100 in words, the others as a number. */
export class Issues {
  readonly reported: Array<{ readonly path: string; readonly message: string }> = []
  more = 0

  /** All that a decoder found in an input that stands at `above`. */
  static of(issue: SchemaIssue.Issue, ...above: Path) {
    const issues = new Issues()
    issues.#visit(issue, above)
    return issues
  }

  add(path: Path, message: string) {
    if (this.reported.length === maxIssues) this.more += 1
    else this.reported.push({ path: dotted(path), message: echo(message, maxMessageBytes) })
    return this
  }

  get error() {
    const { more, reported: issues } = this
    const field = issues[0]?.path ?? ""
    return new ValidationError({ issues, field, ...(more > 0 && { more }) })
  }

  /** Puts an issue into words only when it will be told. */
  #visit(issue: SchemaIssue.Issue, path: Path): void {
    if (issue._tag === "Encoding") this.#visit(issue.issue, path)
    else if (issue._tag === "Pointer") this.#visit(issue.issue, [...path, ...issue.path])
    else if ("issues" in issue && issue.issues.length > 0) {
      for (const part of issue.issues) this.#visit(part, path)
    } else if (this.reported.length === maxIssues && issue._tag !== "Filter") this.more += 1
    else {
      for (const { message, path: below = [] } of format(issue).issues) {
        this.add(
          [...path, ...below.map((key) => (typeof key === "object" ? key.key : key))],
          message,
        )
      }
    }
  }
}

/** The same failure with fewer issues in words, for an answer that holds several failures. */
export const withIssues = (error: ValidationError, most: number) => {
  const others = error.issues.length - most
  if (others <= 0) return error
  const { field, issues, more = 0 } = error
  return new ValidationError({ issues: issues.slice(0, most), field, more: more + others })
}

/** Keys are cut before they are joined: one of them may be most of a body. */
const dotted = (path: Path) =>
  echo(path.map((key) => String(key).slice(0, maxPathBytes + 1)).join("."), maxPathBytes)

const format = SchemaIssue.makeFormatterStandardSchemaV1()
