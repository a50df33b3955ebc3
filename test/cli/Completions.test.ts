import { spawn } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { outcomeOf, processTimeoutMs, plinth } from "../fixtures/processes/Plinth.ts"

/** A script that prints the completions of each of these lines, as bash requests them for Tab. */
const asking = (lines: ReadonlyArray<string>) => `
  ask() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=\${#COMP_LINE}; COMPREPLY=()
    local name; name=$(complete -p plinth); name=\${name#*-F }; "\${name%% *}" plinth "\${*: -1}" "\${*: -2:1}"
    echo "\${COMPREPLY[*]}"
  }
  ${lines.map((line) => `ask ${line.replace(/ $/, ' ""')}`).join("\n")}
`

const replies: Readonly<Record<string, string>> = {
  "plinth ": "serve worker migrate doctor openapi smoke token users jobs usage",
  "plinth users ": "list show create promote demote activate deactivate relink",
  "plinth jobs st": "stats",
  "plinth migrate ": "status down rename",
  "plinth users list --": "--json --role --active --inactive --search --limit --skip",
  "plinth users list --role ": "user admin superadmin",
  "plinth jobs list --state d": "delayed",
}

describe("Completions of plinth", () => {
  it.effect(
    "include commands, flags and choices",
    () =>
      Effect.gen(function* () {
        const { stdout: script } = yield* plinth({}, "--completions", "bash")
        const words = ["--norc", "-c", script + asking(Object.keys(replies))]
        const { stderr, stdout } = yield* outcomeOf(
          spawn("bash", words, { stdio: ["ignore", "pipe", "pipe"] }),
        )
        assert.strictEqual(stderr, "")
        assert.strictEqual(stdout, `${Object.values(replies).join("\n")}\n`)
      }),
    processTimeoutMs,
  )
})
