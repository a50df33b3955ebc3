import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Effect } from "effect"

interface Options<E> {
  /** The exit code of a failure, 1 unless told otherwise. */
  readonly codeOf?: (error: E) => number
  /** Failures that have been explained already. */
  readonly isSilent?: (error: E) => boolean
}

/**
 * Runs an effect as the process. Exit code 0 when it ended or was told to stop, else `codeOf` its failure, after one
 * line on stderr for each thing that is wrong. A second signal exits at once.
 */
export const run = <E extends Error>(
  effect: Effect.Effect<unknown, E>,
  { codeOf = () => 1, isSilent = () => false }: Options<E> = {},
) => {
  let first: number | undefined
  const onSignal = () => {
    const now = performance.now()
    first ??= now
    if (now - first > oneKeystroke) process.exit(130)
  }
  process.on("SIGTERM", onSignal)
  process.on("SIGINT", onSignal)

  let code = 0
  const settle = (cause: Cause.Cause<E>) =>
    Effect.sync(() => {
      const [reason] = cause.reasons
      if (reason === undefined || Cause.hasInterruptsOnly(cause)) return
      code = reason._tag === "Fail" ? codeOf(reason.error) : 1
      if (reason._tag === "Fail" && isSilent(reason.error)) return
      const text = reason._tag === "Fail" ? reason.error.message : Cause.pretty(cause)
      process.stderr.write(`${text.replaceAll(/^/gm, "plinth: ")}\n`)
    })

  NodeRuntime.runMain(Effect.tapCause(effect, settle), {
    disableErrorReporting: true,
    teardown: (_, done) => done(code),
  })
}

/** Ctrl-C under npm arrives twice, from the terminal and from npm: within this many ms it is one. */
const oneKeystroke = 300
