import { Config, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Bounds from "../../domain/Bounds.ts"
import { CommandFailed, flag, integerFlag, json, print } from "../Output.ts"
import { withProgress } from "../Progress.ts"
import { results } from "../Results.ts"
import { table } from "../Table.ts"

/** Refuses URLs with a user name or password, because fetch does. */
const isServiceUrl = (text: string) => {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return false
  const { hash, password, search, username } = new URL(text)
  return [hash, password, search, username].every((part) => part === "")
}

const url = Argument.String("url").pipe(
  Argument.withDescription("Base URL of the service, such as https://api.example.com"),
  Argument.filter(isServiceUrl, () => "an http:// or https:// URL without query or password"),
)

const wait = integerFlag(
  "wait",
  "Seconds that the service may take to come up",
  Bounds.smokeWaitSeconds,
).pipe(Flag.withMetavar("seconds"))

const staging = flag("staging", "Do not require HSTS, which only ENVIRONMENT=production sends")

/** Read only from the environment: an argument would be visible in the process list. */
const token = Config.Redacted("PLINTH_TOKEN").pipe(Config.withDefault(null))

export const command = Command.make("smoke", { url, wait, staging, json }, (options) =>
  Effect.gen(function* () {
    const { smoke } = yield* Effect.promise(() => import("./Smoke.ts"))
    const service = options.url.replace(/\/+$/, "")
    const checks = yield* withProgress(`Checking ${service}`)(
      smoke({
        url: service,
        waitSeconds: options.wait,
        requiresHsts: !options.staging,
        token: yield* token,
      }),
    )
    const failed = checks.filter(({ status }) => status === "failed")
    const status = failed.length === 0 ? "ok" : "failed"
    yield* print(options.json, results.smoke, { status, url: service, checks }, () =>
      table(
        ["check", "status", "detail"],
        checks.map(({ check, detail, status }) => [check, status, detail]),
      ),
    )
    if (failed.length > 0) {
      return yield* new CommandFailed({
        message: `failed: ${failed.map(({ check }) => check).join(", ")}`,
      })
    }
  }),
).pipe(
  Command.withShortDescription("Check a deployed service from outside"),
  Command.withDescription(
    "Check a deployed service over HTTP. Needs no settings and no database. Checks health, readiness, headers, and the answers to an unknown route, to a request without a token and, if PLINTH_TOKEN is set, to a request with that token. Each check takes at most 5 s. Exits with 1 if one fails. With --json: {status,url,checks:[{check,status,detail}]}.",
  ),
  Command.withExamples([
    { command: "plinth smoke https://api.example.com", description: "After a deployment" },
    { command: "plinth smoke http://localhost:8000 --wait 0 --json" },
  ]),
)
