import { describe, expect, it } from "@effect/vitest"
import { results } from "../../src/cli/Results.ts"
import { schemaOf } from "../fixtures/Printed.ts"

/** The commands that print the same, and the schema of it. */
const shared = Object.entries(
  Object.groupBy(Object.entries(results), ([, result]) => schemaOf(result)),
)
const snapshot = Object.fromEntries(
  shared.map(([text, group = []]) => [
    group.map(([name]) => name).join(", "),
    JSON.parse(text) as unknown,
  ]),
)

describe("what plinth prints with --json", () => {
  // That it is so, test/cli/Verdicts.test.ts sees. vitest -u writes it anew, for the commit that changes it.
  it("stays as it is committed", () =>
    expect(`${JSON.stringify(snapshot, null, 2)}\n`).toMatchFileSnapshot("./Results.json.snap"))
})
