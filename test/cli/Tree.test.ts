import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { CliOutput, Command, type HelpDoc } from "effect/cli"
import { plinthOf } from "../../src/cli/Plinth.ts"

const tree = plinthOf({ serve: Effect.never, work: Effect.never, operator: Effect.never })

/** What `--help` after these words tells. */
const helpOf = (words: ReadonlyArray<string>) => {
  const docs: Array<HelpDoc.HelpDoc> = []
  const presenter: CliOutput.Presenter = {
    present: (event) =>
      Effect.sync(() => {
        if (event._tag === "Help") docs.push(event.helpDoc)
      }),
  }
  return Command.runWith(tree, { version: "1.0.0" })([...words, "--help"]).pipe(
    Effect.provide([NodeServices.layer, CliOutput.layerPresenter(presenter)]),
    Effect.map(() => {
      const [doc] = docs
      assert(doc !== undefined, words.join(" "))
      return doc
    }),
  )
}

const below = ({ subcommands }: Command.Command.Any) =>
  subcommands.flatMap(({ commands }) => commands)

const pathsIn = (
  command: Command.Command.Any,
  path: ReadonlyArray<string> = [],
): ReadonlyArray<ReadonlyArray<string>> => [
  path,
  ...below(command).flatMap((one) => pathsIn(one, [...path, one.name])),
]

const paths = pathsIn(tree)
const named = paths.map((path) => ({ name: ["plinth", ...path].join(" "), path }))
const names = new Set(paths.map((path) => path.join(" ")))

/** They print no result, or always the same kind of text. */
const withoutJson = new Set(["serve", "worker", "openapi", "token mint"])

describe("plinth", () => {
  it.effect.each(named)(
    "$name says what it is for, and of each flag and argument what it means",
    ({ path }) =>
      Effect.gen(function* () {
        const doc = yield* helpOf(path)
        assert.match(doc.description, /\.$/)
        for (const { description, name } of [...doc.flags, ...(doc.args ?? [])]) {
          assert.match(
            Option.getOrElse(description, () => ""),
            /\S/,
            name,
          )
        }
        for (const group of doc.subcommands ?? []) {
          for (const one of group.commands) assert.match(one.shortDescription ?? "", /\S/, one.name)
        }
        const isGroup = doc.subcommands !== undefined && path.join(" ") !== "migrate"
        assert.strictEqual(
          doc.flags.some(({ name }) => name === "json"),
          !isGroup && !withoutJson.has(path.join(" ")),
        )
      }),
  )

  it.effect.each(named)("$name has an example of it, with flags that there are", ({ path }) =>
    Effect.gen(function* () {
      const { examples = [] } = yield* helpOf(path)
      assert.isNotEmpty(examples)
      for (const { command } of examples) {
        const [, line = ""] = /^(?:\w+=\$\()?plinth (.+?)(?: > \S+|\))?$/.exec(command) ?? []
        const words = line.split(" ")
        const called = words.filter((_, at) => names.has(words.slice(0, at + 1).join(" ")))
        assert.deepStrictEqual(called.slice(0, path.length), path, command)
        const { flags } = yield* helpOf(called)
        const used = words.filter((word) => word.startsWith("--")).map((word) => word.slice(2))
        assert.includeMembers(
          flags.map(({ name }) => name),
          used,
          command,
        )
      }
    }),
  )
})
