import { createInterface } from "node:readline"
import { Effect } from "effect"
import { CliError } from "effect/cli"
import { CommandFailed, flag } from "./Output.ts"

/** `--yes`: for commands that destroy something or shut somebody out. */
export const yes = flag("yes", "Do not ask before doing it; required where nobody can be asked")

/** Without a terminal to ask on, such a command is refused before it opens anything. Exit code 2. */
export const yesOrTerminal = (given: boolean) =>
  given || (process.stdin.isTTY && process.stderr.isTTY)
    ? Effect.void
    : Effect.fail(
        new CliError.ValidationError({ message: "--yes is required where nobody can be asked" }),
      )

/** Goes on when `--yes` was given or the person at the terminal agrees. */
export const confirm = Effect.fnUntraced(function* (given: boolean, question: string) {
  if (given) return
  const answer = yield* ask(`${question} [y/N] `)
  if (!/^y(?:es)?$/i.test(answer.trim())) {
    return yield* new CommandFailed({ message: "nothing was changed" })
  }
})

/** On stderr, so that stdout holds results alone. The end of input, or Ctrl-C, is no answer. */
const ask = (question: string) =>
  Effect.callback<string>((resume) => {
    const terminal = createInterface({ input: process.stdin, output: process.stderr })
    terminal.once("SIGINT", () => terminal.close())
    const onEnd = () => {
      process.stderr.write("\n")
      resume(Effect.succeed(""))
    }
    terminal.once("close", onEnd)
    terminal.question(question, (answer) => {
      terminal.off("close", onEnd)
      terminal.close()
      resume(Effect.succeed(answer))
    })
    return Effect.sync(() => terminal.close())
  })
