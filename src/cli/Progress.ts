import { Config, Effect } from "effect"
import { truncate } from "./Table.ts"

/** Shows `label` and the elapsed seconds on a terminal line until the effect ends. Without a terminal, shows nothing. */
export const withProgress =
  (label: string) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(
      Effect.orElseSucceed(terminalType, () => "dumb"),
      (type) =>
        process.stderr.isTTY && type !== "dumb" ? Effect.raceFirst(self, showElapsed(label)) : self,
    )

const terminalType = Config.String("TERM")

const showElapsed = Effect.fnUntraced(function* (label: string) {
  // Quick work shows nothing.
  yield* Effect.sleep("300 millis")
  for (let seconds = 0; ; seconds += 1) {
    process.stderr.write(
      `\r${erase}${truncate(`${label}, ${seconds} s`, process.stderr.columns - 1)}`,
    )
    yield* Effect.onInterrupt(Effect.sleep("1 second"), () => wipe)
  }
})

const wipe = Effect.sync(() => process.stderr.write(`\r${erase}`))

/** Erases to the end of the line. */
const erase = "\u001B[K"
