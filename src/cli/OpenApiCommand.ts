import { Console, Effect } from "effect"
import { Command } from "effect/cli"

export const command = Command.make("openapi", {}, () =>
  Effect.gen(function* () {
    const [{ fromApi }, { Api }] = yield* Effect.promise(() =>
      Promise.all([import("effect/http-api/OpenApi"), import("../api/Api.ts")]),
    )
    yield* Console.log(JSON.stringify(fromApi(Api), null, 2))
  }),
).pipe(
  Command.withShortDescription("Print the OpenAPI 3.1 document"),
  Command.withDescription(
    "Print the OpenAPI 3.1 document of the REST API as JSON, the same as /api/v1/openapi.json. Needs no settings and no database.",
  ),
  Command.withExamples([{ command: "plinth openapi > openapi.json" }]),
)
