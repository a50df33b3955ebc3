import { Cause, Config, Effect } from "effect"
import { withReason } from "../core/SqlFailure.ts"
import { printable } from "./Output.ts"

const debug = Config.Boolean("DEBUG").pipe(Config.withDefault(false))

/** Describes a defect in two lines, or with DEBUG=true by its stack trace. */
export const describeBug = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>) {
  if (yield* Effect.orElseSucceed(debug, () => false)) return Cause.pretty(cause)
  const defect = Cause.squash(cause)
  const message = defect instanceof Error ? withReason(defect) : String(defect)
  return `this is a bug: ${printable(message.replaceAll(/\s*\n\s*/g, " "))}\nSet DEBUG=true to print the stack trace`
})
