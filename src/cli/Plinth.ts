import { Effect, Layer } from "effect"
import { Command } from "effect/cli"
import type { Tokens } from "../core/identity/Tokens.ts"
import type { PlinthRpc } from "../rpc/RpcClient.ts"
import * as DoctorCommand from "./DoctorCommand.ts"
import * as JobsCommand from "./JobsCommand.ts"
import * as MigrateCommand from "./MigrateCommand.ts"
import * as OpenApiCommand from "./OpenApiCommand.ts"
import * as SmokeCommand from "./SmokeCommand.ts"
import { untilStopped } from "./Output.ts"
import { during } from "./Progress.ts"
import { methodsOr } from "./Target.ts"
import * as TokenCommand from "./TokenCommand.ts"
import * as UsageCommand from "./UsageCommand.ts"
import * as UsersCommand from "./UsersCommand.ts"

/** What commands run on. Loaded when one runs, so that help, completions and mistakes are answered at once. */
interface Parts<E, F, R> {
  readonly serve: Effect.Effect<unknown, E>
  readonly work: Effect.Effect<unknown, E>
  readonly operator: Effect.Effect<{
    /** The methods of RPC, by this process. */
    readonly application: Layer.Layer<PlinthRpc, F>
    /** For `migrate`. */
    readonly database: Layer.Layer<R, F>
    /** For `token mint`. */
    readonly tokens: Layer.Layer<Tokens, F>
  }>
}

/** `plinth` and all that it can do. */
export const plinthOf = <E, F, R>({ operator, serve, work }: Parts<E, F, R>) => {
  const methods = methodsOr(Effect.map(operator, ({ application }) => opened(application)))
  return Command.make("plinth").pipe(
    Command.withDescription(
      "Operate a Plinth service. Reads the same environment and .env as the server. Results are on stdout, all else on stderr. Exit codes: 0 done, 1 failed, 2 not understood; 130 and 143 interrupted.",
    ),
    Command.withExamples([
      { command: "plinth doctor", description: "Is it configured?" },
      { command: "plinth users list --role admin" },
    ]),
    Command.withSubcommands([
      Command.make("serve", {}, () => untilStopped(serve)).pipe(
        Command.withShortDescription("Run the server"),
        Command.withDescription(
          "Run the server until it is told to stop, as npm start does: settings from the environment and .env, pending migrations first, its log on stdout. SIGTERM drains it.",
        ),
        Command.withExamples([{ command: "plinth serve" }]),
      ),
      Command.make("worker", {}, () => untilStopped(work)).pipe(
        Command.withShortDescription("Do background jobs"),
        Command.withDescription(
          "Do background jobs until it is told to stop: settings from the environment and .env, pending migrations first, its log on stdout; /health, /health/ready and /metrics on WORKER_PORT. Any number may run, also beside servers that do jobs themselves (JOBS_EMBEDDED), as they do on SQLite: each job is leased to one of them. SIGTERM lets jobs end within SHUTDOWN_GRACE_SECONDS, and hands the others back.",
        ),
        Command.withExamples([{ command: "plinth worker" }]),
      ),
      Command.provide(
        MigrateCommand.command,
        Layer.unwrap(Effect.map(operator, ({ database }) => opened(database))),
      ),
      DoctorCommand.command,
      OpenApiCommand.command,
      SmokeCommand.command,
      Command.provide(
        TokenCommand.command,
        Layer.unwrap(Effect.map(operator, ({ tokens }) => tokens)),
      ),
      Command.provide(UsersCommand.command, methods),
      Command.provide(JobsCommand.command, methods),
      Command.provide(UsageCommand.command, methods),
    ]),
  )
}

/** PostgreSQL is waited for, 10 s. */
const opened = <A, E, R>(layer: Layer.Layer<A, E, R>) =>
  Layer.effectContext(during("Opening the database")(Layer.build(layer)))
