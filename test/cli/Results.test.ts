import { describe, expect, it } from "@effect/vitest"
import { results } from "../../src/cli/Results.ts"
import { schemaOf } from "../fixtures/processes/Printed.ts"

/** The commands that share a schema, and that schema. */
const shared = Object.entries(
  Object.groupBy(Object.entries(results), ([, result]) => schemaOf(result)),
)
const snapshot = Object.fromEntries(
  shared.map(([text, group = []]) => [
    group.map(([name]) => name).join(", "),
    JSON.parse(text) as unknown,
  ]),
)

describe("The JSON output of plinth", () => {
  // test/cli/Verdicts.test.ts checks the output against the schemas. vitest -u updates the file in a commit that changes them.
  it("has the committed schemas", () =>
    expect(`${JSON.stringify(snapshot, null, 2)}\n`).toMatchFileSnapshot("./Results.json.snap"))
})
