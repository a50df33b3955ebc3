import { createInterface } from "node:readline"
import { Effect } from "effect"
import { CliError } from "effect/cli"
import { CommandFailed, flag } from "./Output.ts"

/** `--yes`, for commands that destroy data or block a user. */
export const yes = flag("yes", "Skip the confirmation (required without a terminal)")

/** Refuses the command before it opens anything when it has neither `--yes` nor a terminal to ask on. Exit code 2. */
export const requireYesOrTerminal = (isConfirmed: boolean) =>
  isConfirmed || (process.stdin.isTTY && process.stderr.isTTY)
    ? Effect.void
    : Effect.fail(new CliError.ValidationError({ message: "--yes is required without a terminal" }))

/** Succeeds if `--yes` was given or the operator agrees; otherwise fails. */
export const confirm = Effect.fnUntraced(function* (isConfirmed: boolean, question: string) {
  if (isConfirmed) return
  const answer = yield* ask(`${question} [y/N] `)
  if (!/^y(?:es)?$/i.test(answer.trim())) {
    return yield* new CommandFailed({ message: "nothing was changed" })
  }
})

/** Asks on stderr, because stdout is for results. The end of input and Ctrl-C count as an empty answer. */
const ask = (question: string) =>
  Effect.callback<string>((resume) => {
    const terminal = createInterface({ input: process.stdin, output: process.stderr })
    terminal.once("SIGINT", () => terminal.close())
    const onClose = () => {
      process.stderr.write("\n")
      resume(Effect.succeed(""))
    }
    terminal.once("close", onClose)
    terminal.question(question, (answer) => {
      terminal.off("close", onClose)
      terminal.close()
      resume(Effect.succeed(answer))
    })
    return Effect.sync(() => terminal.close())
  })
