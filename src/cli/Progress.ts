import { Config, Effect } from "effect"
import { cut } from "./Table.ts"

/** Says what takes long, and for how long already, on a line of the terminal that is gone when it is done. Elsewhere nothing. */
export const during =
  (what: string) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(
      Effect.orElseSucceed(terminal, () => "dumb"),
      (kind) =>
        process.stderr.isTTY && kind !== "dumb" ? Effect.raceFirst(self, counting(what)) : self,
    )

const terminal = Config.String("TERM")

const counting = Effect.fnUntraced(function* (what: string) {
  // What is quick is not worth a line.
  yield* Effect.sleep("300 millis")
  for (let seconds = 0; ; seconds += 1) {
    process.stderr.write(`\r${erase}${cut(`${what}, ${seconds} s`, process.stderr.columns - 1)}`)
    yield* Effect.onInterrupt(Effect.sleep("1 second"), () => wipe)
  }
})

const wipe = Effect.sync(() => process.stderr.write(`\r${erase}`))

/** To the end of the line. */
const erase = "\u001B[K"
