import { Effect } from "effect"
import { Command } from "effect/cli"
import { CommandFailed, json, print } from "./Output.ts"
import { during } from "./Progress.ts"
import { results } from "./Results.ts"
import { table } from "./Table.ts"

export const command = Command.make("doctor", { json }, (options) =>
  Effect.gen(function* () {
    const { examine } = yield* Effect.promise(() => import("./Examination.ts"))
    const findings = yield* during("Examining what is configured")(examine)
    const broken = findings.filter(({ status }) => status === "broken")
    const warned = findings.some(({ status }) => status === "warning")
    const status = broken.length > 0 ? "broken" : warned ? "warning" : "ok"
    yield* print(options.json, results.doctor, { status, findings }, () =>
      table(
        ["part", "status", "live", "why", "advice"],
        findings.map(({ advice, live, part, status, why }) => [part, status, live, why, advice]),
      ),
    )
    if (broken.length > 0) {
      return yield* new CommandFailed({
        message: `broken: ${broken.map(({ part }) => part).join(", ")}`,
      })
    }
  }),
).pipe(
  Command.withShortDescription("What is live, why, and what is missing"),
  Command.withDescription(
    "Tell for each part which implementation is live, what chose it, and what is missing. Tries the database (10 s) and the provider's keys (3 s). Exits 1 when something is broken that a start needs; a warning does not count. With --json: {status,findings:[{part,status,live,why,advice}]}.",
  ),
  Command.withExamples([{ command: "plinth doctor --json", description: "After a deployment" }]),
)
