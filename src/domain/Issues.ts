import { SchemaIssue } from "effect"
import { echo } from "./Echo.ts"
import { ValidationError } from "./Errors.ts"

/** The maximum number of issues in one response; further ones are only counted. */
export const maxIssues = 100

/**
 * Limits of one issue: its path may contain the client's own keys, and its message all literals of a union. They keep
 * the response to 100 calls below 64 KB.
 */
const maxPathBytes = 100
const maxMessageBytes = 250

type Path = ReadonlyArray<PropertyKey>

/** Collects the issues of an input, with paths but never values. Lists the first 100 and counts the others. */
export class Issues {
  readonly reported: Array<{ readonly path: string; readonly message: string }> = []
  more = 0

  /** Collects all issues from a decoder. `parentPath` is the path of the decoded input. */
  static of(issue: SchemaIssue.Issue, ...parentPath: Path) {
    const issues = new Issues()
    issues.#visit(issue, parentPath)
    return issues
  }

  add(path: Path, message: string) {
    if (this.reported.length === maxIssues) this.more += 1
    else this.reported.push({ path: dottedPath(path), message: echo(message, maxMessageBytes) })
    return this
  }

  get error() {
    const { more, reported: issues } = this
    const field = issues[0]?.path ?? ""
    return new ValidationError({ issues, field, ...(more > 0 && { more }) })
  }

  /** Formats only the issues that will be reported. */
  #visit(issue: SchemaIssue.Issue, path: Path): void {
    if (issue._tag === "Encoding") this.#visit(issue.issue, path)
    else if (issue._tag === "Pointer") this.#visit(issue.issue, [...path, ...issue.path])
    else if ("issues" in issue && issue.issues.length > 0) {
      for (const part of issue.issues) this.#visit(part, path)
    } else if (this.reported.length === maxIssues && issue._tag !== "Filter") this.more += 1
    else {
      for (const { message, path: childPath = [] } of formatIssue(issue).issues) {
        this.add(
          [...path, ...childPath.map((key) => (typeof key === "object" ? key.key : key))],
          message,
        )
      }
    }
  }
}

/** Lists at most `maxReported` issues and counts the others, for a response that contains several errors. */
export const limitIssues = (error: ValidationError, maxReported: number) => {
  const unreported = error.issues.length - maxReported
  if (unreported <= 0) return error
  const { field, issues, more = 0 } = error
  return new ValidationError({
    issues: issues.slice(0, maxReported),
    field,
    more: more + unreported,
  })
}

/** Truncates keys before joining them, because one key may be almost as large as the body. */
const dottedPath = (path: Path) =>
  echo(path.map((key) => String(key).slice(0, maxPathBytes + 1)).join("."), maxPathBytes)

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()
