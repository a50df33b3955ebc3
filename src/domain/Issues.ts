import { SchemaIssue } from "effect"

interface Issue {
  /** Dotted. */
  readonly path: string
  readonly message: string
}

/** What is wrong with an input that stands at `above`, as `ValidationError` tells it: by place, never a value. */
export const issuesOf = (
  issue: SchemaIssue.Issue,
  ...above: ReadonlyArray<string>
): ReadonlyArray<Issue> =>
  format(issue).issues.map(({ message, path = [] }) => ({
    path: [...above, ...path.map((key) => String(typeof key === "object" ? key.key : key))].join(
      ".",
    ),
    message,
  }))

const format = SchemaIssue.makeFormatterStandardSchemaV1()
