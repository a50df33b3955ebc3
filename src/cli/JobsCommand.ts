import { Effect, Option, Schema } from "effect"
import { Argument, CliError, Command, Flag } from "effect/cli"
import { JobState } from "../domain/Job.ts"
import { Cursor } from "../domain/Page.ts"
import { yes, yesOrTerminal } from "./Confirmation.ts"
import { flag, json } from "./Output.ts"

const actions = Effect.promise(() => import("./ManageJobs.ts"))

const id = Argument.String("id").pipe(Argument.withDescription("Id of a job"))

const decodeCursor = Schema.decodeOption(Cursor)

const listing = Command.make(
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
    limit: Flag.Int("limit").pipe(
      Flag.withDescription("How many at most, 1 to 1000. Default 20"),
      Flag.filter(
        (limit) => limit >= 1 && limit <= 1000,
        () => "1 to 1000",
      ),
      Flag.withDefault(20),
    ),
    cursor: Flag.String("cursor").pipe(
      Flag.withDescription("Go on after a page: the next_cursor of it"),
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
    "List jobs, newest first, those that ended included. With --json: {items,next_cursor,limit}.",
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
    "Show a job with what it was given and what came of it. Values under names like token, secret or password are <redacted>.",
  ),
  Command.withExamples([{ command: "plinth jobs show 0198c3d0-6f1e-7c3a-9b1d-2f4c5e6a7b8c" }]),
)

const stats = Command.make(
  "stats",
  {
    json,
    watch: flag("watch", "Go on counting until Ctrl-C"),
    interval: Flag.Int("interval").pipe(
      Flag.withDescription("With --watch: seconds between two counts, 1 to 3600. Default 2"),
      Flag.filter(
        (interval) => interval >= 1 && interval <= 3600,
        () => "1 to 3600",
      ),
      Flag.withDefault(2),
    ),
  },
  (options) => Effect.flatMap(actions, (jobs) => jobs.stats(options)),
).pipe(
  Command.withShortDescription("Count the jobs"),
  Command.withDescription(
    "How many jobs there are in each state. With --watch again and again: in place on a terminal; elsewhere below each other, with --json an object on each line. Ctrl-C ends it with exit code 0.",
  ),
  Command.withExamples([
    { command: "plinth jobs stats --watch" },
    { command: "plinth jobs stats --watch --interval 10 --json" },
  ]),
)

/** A year, in seconds. */
const longestDelay = 31_536_000

const enqueue = Command.make(
  "enqueue",
  {
    json,
    name: Argument.String("name").pipe(
      Argument.withDescription("The kind of job, such as cleanup_old_data"),
    ),
    payload: Argument.String("payload").pipe(
      Argument.withDescription("What it is given, as JSON. Default {}"),
      Argument.withDefault("{}"),
      Argument.map(Schema.decodeOption(Schema.fromJsonString(Schema.Unknown))),
    ),
    delay: Flag.Int("delay").pipe(
      Flag.withDescription("Start it so many seconds from now, at most a year. Default 0"),
      Flag.filter(
        (delay) => delay >= 0 && delay <= longestDelay,
        () => `0 to ${longestDelay}`,
      ),
      Flag.withDefault(0),
    ),
    priority: Flag.Int("priority").pipe(
      Flag.withDescription("Of two that wait, the higher goes first, -1000 to 1000. Default 0"),
      Flag.filter(
        (priority) => Math.abs(priority) <= 1000,
        () => "-1000 to 1000",
      ),
      Flag.withDefault(0),
    ),
    uniqueKey: Flag.String("unique-key").pipe(
      Flag.withDescription("Nothing new while a job of this kind with this key waits or runs"),
      Flag.filter(
        (key) => key.trim() !== "" && key.length <= 255,
        () => "1 to 255 characters that are not all blank",
      ),
      Flag.optional,
    ),
  },
  (options) => Effect.flatMap(actions, (jobs) => jobs.enqueue(options)),
).pipe(
  // Not a filter of the argument: that would repeat the payload, which may hold a secret.
  Command.validate(({ payload }) =>
    Option.isSome(payload)
      ? Effect.void
      : Effect.fail(new CliError.ValidationError({ message: "the payload is not JSON" })),
  ),
  Command.withShortDescription("Enqueue a job by hand"),
  Command.withDescription(
    "Enqueue a job by hand. It runs as soon as a worker, or a server that runs jobs, has time for it.",
  ),
  Command.withExamples([
    { command: "plinth jobs enqueue cleanup_old_data" },
    { command: `plinth jobs enqueue export_user_data '{"user_id":"ada"}' --delay 60` },
  ]),
)

const retry = Command.make("retry", { id, json }, (options) =>
  Effect.flatMap(actions, (jobs) => jobs.retry(options)),
).pipe(
  Command.withShortDescription("Run a failed or cancelled job again"),
  Command.withDescription("Run a job that failed or was cancelled again, under the same id."),
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
  Command.validate((options) => yesOrTerminal(options.yes)),
  Command.withShortDescription("Cancel a job"),
  Command.withDescription(
    "Cancel a job that has not ended; one that runs is interrupted within seconds. It stays in the list, and `retry` takes it back. Asks first, unless --yes is given.",
  ),
  Command.withExamples([{ command: "plinth jobs cancel 0198c3d0-6f1e-7c3a-9b1d-2f4c5e6a7b8c" }]),
)

export const command = Command.make("jobs").pipe(
  Command.withShortDescription("List, show, count, enqueue, retry and cancel jobs"),
  Command.withDescription(
    "Jobs, as an operator: no token of a user is needed, and what is changed is in the audit log. Works on the database, also while servers and workers run; with PLINTH_URL and PLINTH_TOKEN (one of its RPC_TOKEN) on the service there.",
  ),
  Command.withExamples([{ command: "plinth jobs stats --watch" }]),
  Command.withSubcommands([listing, show, stats, enqueue, retry, cancel]),
)
