import { Cause, Config, Effect } from "effect"
import { withReason } from "../core/SqlFailure.ts"
import { plain } from "./Output.ts"

const debug = Config.Boolean("DEBUG").pipe(Config.withDefault(false))

/** What nobody foresaw, in two lines; where it was, for those who ask. */
export const bug = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>) {
  if (yield* Effect.orElseSucceed(debug, () => false)) return Cause.pretty(cause)
  const found = Cause.squash(cause)
  const message = found instanceof Error ? withReason(found) : String(found)
  return `this is a bug: ${plain(message.replaceAll(/\s*\n\s*/g, " "))}\nDEBUG=true tells where it is`
})
