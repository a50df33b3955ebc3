import { Effect, Option, Schema } from "effect"
import { Argument, CliError, Command, Flag } from "effect/cli"
import * as Bounds from "../../domain/Bounds.ts"
import { JobState } from "../../domain/jobs/Job.ts"
import { Cursor } from "../../domain/Page.ts"
import { yes, requireYesOrTerminal } from "../Confirmation.ts"
import { expectedText, flag, integerFlag, json } from "../Output.ts"

const actions = Effect.promise(() => import("./ManageJobs.ts"))

const id = Argument.String("id").pipe(Argument.withDescription("Job id"))

const decodeCursor = Schema.decodeOption(Cursor)

const list = Command.make(
  "list",
  {
    json,
    state: Flag.Literals("state", JobState.literals).pipe(
      Flag.withDescription("Only jobs in this state"),
      Flag.optional,
    ),
    name: Flag.String("name").pipe(
      Flag.withDescription("Only jobs of this kind, such as send_welcome_email"),
      Flag.optional,
    ),
    limit: integerFlag("limit", "Maximum number of jobs", Bounds.trustedPageSize),
    cursor: Flag.String("cursor").pipe(
      Flag.withDescription("Continue after a page: its next_cursor"),
      Flag.filter(
        (text) => Option.isSome(decodeCursor(text)),
        () => "a next_cursor of this list",
      ),
      Flag.optional,
    ),
  },
  (options) => Effect.flatMap(actions, (jobs) => jobs.list(options)),
).pipe(
  Command.withShortDescription("List jobs, newest first"),
  Command.withDescription(
    "List jobs, newest first, including those that have ended. With --json: {items,next_cursor,limit}.",
  ),
  Command.withExamples([
    { command: "plinth jobs list --state failed" },
    { command: "plinth jobs list --name export_user_data --limit 100 --json" },
  ]),
)

const show = Command.make("show", { id, json }, (options) =>
  Effect.flatMap(actions, (jobs) => jobs.show(options)),
).pipe(
  Command.withShortDescription("Show a job"),
  Command.withDescription(
    "Show a job with its payload and its result or error. Values under names like token, secret or password are <redacted>.",
  ),
  Command.withExamples([{ command: "plinth jobs show 0198c3d0-6f1e-7c3a-9b1d-2f4c5e6a7b8c" }]),
)

const stats = Command.make(
  "stats",
  {
    json,
    watch: flag("watch", "Repeat until Ctrl-C"),
    interval: integerFlag("interval", "With --watch: seconds between counts", Bounds.watchSeconds),
  },
  (options) => Effect.flatMap(actions, (jobs) => jobs.stats(options)),
).pipe(
  Command.withShortDescription("Count jobs by state"),
  Command.withDescription(
    "Count the jobs in each state. With --watch, repeat the count: in place on a terminal, otherwise one after the other, with --json one object per line. Ctrl-C ends it with exit code 0.",
  ),
  Command.withExamples([
    { command: "plinth jobs stats --watch" },
    { command: "plinth jobs stats --watch --interval 10 --json" },
  ]),
)

const enqueue = Command.make(
  "enqueue",
  {
    json,
    name: Argument.String("name").pipe(
      Argument.withDescription("The kind of job, such as cleanup_old_data"),
    ),
    payload: Argument.String("payload").pipe(
      Argument.withDescription("Payload of the job, as JSON. Default {}"),
      Argument.withDefault("{}"),
      Argument.map(Schema.decodeOption(Schema.fromJsonString(Schema.Unknown))),
    ),
    delay: integerFlag("delay", "Seconds until the job may start", Bounds.jobDelaySeconds),
    priority: integerFlag(
      "priority",
      "Waiting jobs of higher priority start first",
      Bounds.jobPriority,
    ),
    uniqueKey: Flag.String("unique-key").pipe(
      Flag.withDescription(
        "Enqueue nothing while a job of this kind with this key is waiting or running",
      ),
      Flag.filter(
        (key) => key.trim() !== "" && key.length <= Bounds.maxLength.uniqueKey,
        () => expectedText(Bounds.maxLength.uniqueKey),
      ),
      Flag.optional,
    ),
  },
  (options) => Effect.flatMap(actions, (jobs) => jobs.enqueue(options)),
).pipe(
  // Not a filter of the argument: its message would repeat the payload, which may contain a secret.
  Command.validate(({ payload }) =>
    Option.isSome(payload)
      ? Effect.void
      : Effect.fail(new CliError.ValidationError({ message: "the payload is not JSON" })),
  ),
  Command.withShortDescription("Enqueue a job by hand"),
  Command.withDescription(
    "Enqueue a job by hand. It runs as soon as a worker, or a server that runs jobs, is free.",
  ),
  Command.withExamples([
    { command: "plinth jobs enqueue cleanup_old_data" },
    { command: `plinth jobs enqueue export_user_data '{"user_id":"ada"}' --delay 60` },
  ]),
)

const retry = Command.make("retry", { id, json }, (options) =>
  Effect.flatMap(actions, (jobs) => jobs.retry(options)),
).pipe(
  Command.withShortDescription("Retry a failed or cancelled job"),
  Command.withDescription("Retry a failed or cancelled job under the same id."),
  Command.withExamples([
    {
      command:
        "plinth jobs list --state failed --json | jq -r '.items[].id' | xargs -n 1 plinth jobs retry",
    },
  ]),
)

const cancel = Command.make("cancel", { id, json, yes }, (options) =>
  Effect.flatMap(actions, (jobs) => jobs.cancel(options)),
).pipe(
  Command.validate((options) => requireYesOrTerminal(options.yes)),
  Command.withShortDescription("Cancel a job"),
  Command.withDescription(
    "Cancel a job that has not ended. A running job is interrupted within seconds. The job stays in the list, and `plinth jobs retry` runs it again. Asks for confirmation unless --yes is given.",
  ),
  Command.withExamples([{ command: "plinth jobs cancel 0198c3d0-6f1e-7c3a-9b1d-2f4c5e6a7b8c" }]),
)

export const command = Command.make("jobs").pipe(
  Command.withShortDescription("List, show, count, enqueue, retry and cancel jobs"),
  Command.withDescription(
    "Manage jobs as an operator: no user token is needed, and changes are recorded in the audit log. Works on the database, even while servers and workers run; with PLINTH_URL and PLINTH_TOKEN (one of its RPC_TOKEN values), on the service at that URL.",
  ),
  Command.withExamples([{ command: "plinth jobs stats --watch" }]),
  Command.withSubcommands([list, show, stats, enqueue, retry, cancel]),
)
