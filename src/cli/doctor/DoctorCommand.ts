import { Effect } from "effect"
import { Command } from "effect/cli"
import { CommandFailed, flag, json, print } from "../Output.ts"
import { withProgress } from "../Progress.ts"
import { results } from "../Results.ts"
import { table } from "../Table.ts"

const routes = flag(
  "routes",
  "Show instead which endpoints the hot path answers, and why not the others",
)

const printRoutes = Effect.fnUntraced(function* (asJson: boolean) {
  const { hotRoutes } = yield* Effect.promise(() => import("./HotRoutes.ts"))
  const endpoints = hotRoutes()
  yield* print(asJson, results["doctor --routes"], { routes: endpoints }, () =>
    table(
      ["method", "path", "hot", "why not"],
      endpoints.map(({ hot, method, path, why }) => [method, path, hot, why]),
    ),
  )
})

export const command = Command.make("doctor", { json, routes }, (options) =>
  Effect.gen(function* () {
    if (options.routes) {
      yield* printRoutes(options.json)
      return
    }
    const { examine } = yield* Effect.promise(() => import("./Examination.ts"))
    const findings = yield* withProgress("Checking the configuration")(examine)
    const broken = findings.filter(({ status }) => status === "broken")
    const hasWarnings = findings.some(({ status }) => status === "warning")
    const status = broken.length > 0 ? "broken" : hasWarnings ? "warning" : "ok"
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
  Command.withShortDescription("Show the implementations in use and what is missing"),
  Command.withDescription(
    "Show for each part which implementation is in use, which setting chose it, and what is missing. Connects to the database (timeout 10 s), to Redis, and to the key endpoint of the sign-in provider (timeout 3 s). Exits with 1 if something that a server needs is broken; warnings do not count. With --json: {status,findings:[{part,status,live,why,advice}]}, or with --routes {routes:[{method,path,hot,why}]}.",
  ),
  Command.withExamples([
    { command: "plinth doctor --json", description: "After a deployment" },
    { command: "plinth doctor --routes", description: "After adding an endpoint" },
  ]),
)
