import { assert, describe, expect, it, layer } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Effect, Schema } from "effect"
import { Jobs } from "../../src/business/Jobs.ts"
import { results } from "../../src/cli/Results.ts"
import { server } from "../fixtures/Callers.ts"
import { newOwner } from "../fixtures/Owners.ts"
import { patience, plinth } from "../fixtures/Plinth.ts"
import { TestDatabase } from "../TestDatabase.ts"
import { commands } from "../Verdicts.ts"

/** As text, and closed: nothing is printed that it does not tell. */
const textOf = (result: Schema.Top) => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(result)
  const open = JSON.stringify({ ...schema, $defs: definitions })
  return open.replaceAll('"additionalProperties":true', '"additionalProperties":false')
}

const schemaIn = (text: string) => JSON.parse(text) as object

/** The commands that print the same, and the schema of it. */
const shared = Object.entries(
  Object.groupBy(Object.entries(results), ([, result]) => textOf(result)),
)
const snapshot = Object.fromEntries(
  shared.map(([text, group = []]) => [group.map(([name]) => name).join(", "), schemaIn(text)]),
)

const ajv = new Ajv2020({ strict: true, allErrors: true })
  .addFormat("date-time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  .addFormat("date", /^\d{4}-\d\d-\d\d$/)
  .addFormat("email", /^[^\s@]+@[^\s@]+$/)
  .addFormat("uri", (text) => URL.canParse(text))

describe("what plinth prints with --json", () => {
  // vitest -u writes them anew, for the commit that changes them.
  it("stays as it is committed", () =>
    expect(`${JSON.stringify(snapshot, null, 2)}\n`).toMatchFileSnapshot("./Results.json.snap"))
})

layer(server(), { excludeTestServices: true })("what plinth prints with --json", (it) => {
  it.effect.each(Object.entries(results))(
    "is what is committed: %s",
    ([name, result]) =>
      Effect.gen(function* () {
        const { ids } = yield* newOwner
        const [DATABASE_URL, jobs] = [yield* TestDatabase, yield* Jobs]
        // One that may be retried.
        if (name === "jobs retry") yield* jobs.cancel("operator", ids["job_id"] ?? "")
        const words = commands[name]?.words(ids) ?? ""
        const { stderr, stdout } = yield* plinth(
          name === "migrate down" ? {} : { DATABASE_URL },
          ...`${name} ${words} --json`.split(/ +/),
        )
        const validate = ajv.compile(schemaIn(textOf(result)))
        assert.isTrue(validate(JSON.parse(stdout)), `${stderr}${ajv.errorsText(validate.errors)}`)
      }),
    patience,
  )
})
