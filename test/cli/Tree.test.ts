import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { CliOutput, Command } from "effect/cli"
import { plinthOf } from "../../src/cli/Plinth.ts"

const below = ({ subcommands }: Command.Command.Any) =>
  subcommands.flatMap(({ commands }) => commands)

interface Named {
  readonly name: string
  readonly command: Command.Command.Any
}

const within = (command: Command.Command.Any, name: string): ReadonlyArray<Named> => [
  { name, command },
  ...below(command).flatMap((one) => within(one, `${name} ${one.name}`)),
]

const commands = within(
  plinthOf({ serve: Effect.never, work: Effect.never, operator: Effect.never }),
  "plinth",
)

/** Returns the output for these words, with a handler that does nothing. */
const shownBy = Effect.fnUntraced(function* (
  command: Command.Command.Any,
  words: ReadonlyArray<string>,
) {
  const events: Array<CliOutput.Presenter.Event> = []
  const presenter: CliOutput.Presenter = {
    present: (event) => Effect.sync(() => void events.push(event)),
  }
  const idle = Command.withHandler(command, () => Effect.void)
  yield* Command.runWith(idle, { version: "1.0.0" })(words).pipe(
    Effect.provide([NodeServices.layer, CliOutput.layerPresenter(presenter)]),
    Effect.ignore,
  )
  return events
})

const helpOf = Effect.fnUntraced(function* (command: Command.Command.Any) {
  const [event] = yield* shownBy(command, ["--help"])
  assert(event?._tag === "Help", command.name)
  return event.helpDoc
})

/** Returns the commands in a line of shell, as words. xargs appends one argument. */
const callsIn = (line: string) =>
  Array.from(
    line.replace(/\bxargs .*/, "$& 1").matchAll(/\bplinth (.+?)(?= \||\)| > |$)/g),
    ([, words = ""]) =>
      Array.from(words.matchAll(/'([^']*)'|\S+/g), ([word, quoted]) => quoted ?? word),
  )

/** Returns the command that these words call, and its arguments. */
const called = (words: ReadonlyArray<string>) => {
  const last = commands.findLast(({ name }) => `plinth ${words.join(" ")} `.startsWith(`${name} `))
  assert(last !== undefined)
  return { ...last, given: words.slice(last.name.split(" ").length - 1) }
}

/** Commands that print no result, or always the same kind of text. */
const withoutJson = new Set([
  "plinth serve",
  "plinth worker",
  "plinth openapi",
  "plinth token mint",
])

describe("The help of plinth", () => {
  it.effect.each(commands)(
    "describes $name and each of its flags and arguments",
    ({ command, name }) =>
      Effect.gen(function* () {
        const doc = yield* helpOf(command)
        assert.match(doc.description, /\.$/)
        for (const { description, name: part } of [...doc.flags, ...(doc.args ?? [])]) {
          assert.match(
            Option.getOrElse(description, () => ""),
            /\S/,
            part,
          )
        }
        for (const one of below(command)) assert.match(one.shortDescription ?? "", /\S/, one.name)
        const does = below(command).length === 0 || name === "plinth migrate"
        const isJson = doc.flags.some((flag) => flag.name === "json")
        assert.strictEqual(isJson, does && !withoutJson.has(name))
      }),
  )

  it.effect.each(commands)("has examples of $name that can be parsed", ({ command, name }) =>
    Effect.gen(function* () {
      const { examples = [] } = yield* helpOf(command)
      assert.isNotEmpty(examples)
      for (const { command: line } of examples) {
        const calls = callsIn(line).map(called)
        assert.isTrue(
          calls.some((call) => call.name.startsWith(name)),
          line,
        )
        for (const call of calls) {
          const { flags } = yield* helpOf(call.command)
          const asks = flags.some((flag) => flag.name === "yes") && !call.given.includes("--yes")
          // A person who runs the example is asked for confirmation; here --yes replaces it.
          const words = asks ? [...call.given, "--yes"] : call.given
          assert.deepStrictEqual(yield* shownBy(call.command, words), [], line)
        }
      }
    }),
  )
})
