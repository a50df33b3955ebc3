import { Effect, Layer } from "effect"
import { Command } from "effect/cli"
import type { Tokens } from "../core/identity/Tokens.ts"
import type { PlinthRpc } from "../rpc/RpcClient.ts"
import * as DoctorCommand from "./doctor/DoctorCommand.ts"
import * as JobsCommand from "./jobs/JobsCommand.ts"
import * as MigrateCommand from "./migrate/MigrateCommand.ts"
import * as OpenApiCommand from "./OpenApiCommand.ts"
import * as SmokeCommand from "./smoke/SmokeCommand.ts"
import { untilStopped } from "./Output.ts"
import { withProgress } from "./Progress.ts"
import { rpcLayer } from "./Target.ts"
import * as TokenCommand from "./token/TokenCommand.ts"
import * as UsageCommand from "./usage/UsageCommand.ts"
import * as UsersCommand from "./users/UsersCommand.ts"

/** The parts that commands run on. They are loaded when a command runs, so that help and completions are fast. */
interface Parts<E, F, R> {
  readonly serve: Effect.Effect<unknown, E>
  readonly work: Effect.Effect<unknown, E>
  readonly operator: Effect.Effect<{
    /** The RPC methods, run in this process. */
    readonly application: Layer.Layer<PlinthRpc, F>
    /** For `migrate`. */
    readonly database: Layer.Layer<R, F>
    /** For `token mint`. */
    readonly tokens: Layer.Layer<Tokens, F>
  }>
}

/** Builds the `plinth` command with all its subcommands. */
export const plinthOf = <E, F, R>({ operator, serve, work }: Parts<E, F, R>) => {
  const rpc = rpcLayer(Effect.map(operator, ({ application }) => openDatabase(application)))
  return Command.make("plinth").pipe(
    Command.withDescription(
      "Operate a Plinth service. Reads the same environment and .env as the server. Prints results on stdout, everything else on stderr. Exit codes: 0 done, 1 failed, 2 invalid command line, 130 and 143 interrupted.",
    ),
    Command.withExamples([
      { command: "plinth doctor", description: "Check the configuration" },
      { command: "plinth users list --role admin" },
    ]),
    Command.withSubcommands([
      Command.make("serve", {}, () => untilStopped(serve)).pipe(
        Command.withShortDescription("Run the server"),
        Command.withDescription(
          "Run the server until SIGTERM, which drains it; npm start does the same. Reads its settings from the environment and .env, runs pending migrations first, and logs to stdout.",
        ),
        Command.withExamples([{ command: "plinth serve" }]),
      ),
      Command.make("worker", {}, () => untilStopped(work)).pipe(
        Command.withShortDescription("Run background jobs"),
        Command.withDescription(
          "Run background jobs until SIGTERM. Reads its settings from the environment and .env, runs pending migrations first, logs to stdout, and serves /health, /health/ready and /metrics on WORKER_PORT. Any number of workers may run, even beside servers that run jobs themselves (JOBS_EMBEDDED, the default on SQLite): each job is leased to one of them. After SIGTERM, running jobs have SHUTDOWN_GRACE_SECONDS to finish; the others are handed back.",
        ),
        Command.withExamples([{ command: "plinth worker" }]),
      ),
      Command.provide(
        MigrateCommand.command,
        Layer.unwrap(Effect.map(operator, ({ database }) => openDatabase(database))),
      ),
      DoctorCommand.command,
      OpenApiCommand.command,
      SmokeCommand.command,
      Command.provide(
        TokenCommand.command,
        Layer.unwrap(Effect.map(operator, ({ tokens }) => tokens)),
      ),
      Command.provide(UsersCommand.command, rpc),
      Command.provide(JobsCommand.command, rpc),
      Command.provide(UsageCommand.command, rpc),
    ]),
  )
}

/** Shows progress while it opens: connecting to PostgreSQL may take 10 s. */
const openDatabase = <A, E, R>(layer: Layer.Layer<A, E, R>) =>
  Layer.effectContext(withProgress("Opening the database")(Layer.build(layer)))
