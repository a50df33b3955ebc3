import { styleText } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Effect, Exit } from "effect"

interface Options<E> {
  /** The exit code of a failure, 1 unless told otherwise. */
  readonly codeOf?: (error: E) => number
  /** Failures that have been explained already. */
  readonly isSilent?: (error: E) => boolean
  /** What is said of a bug: all that is known of it, unless told otherwise. */
  readonly bug?: (cause: Cause.Cause<unknown>) => Effect.Effect<string>
  /** The exit code when it was told to stop by a signal of this number: 0, unless told otherwise. */
  readonly codeOfStop?: (signal: number) => number
  /** The exit code when whoever read stdout has gone: 1, unless told otherwise. */
  readonly codeOfUnread?: number
}

/**
 * Runs an effect as the process. Exit code 0 when it ended or was told to stop, else `codeOf` its failure, after one
 * line on stderr for each thing that is wrong. A second signal exits at once. When stdout takes nothing any longer, it
 * is told to stop.
 */
export const run = <E extends Error>(
  effect: Effect.Effect<unknown, E>,
  {
    bug = (cause) => Effect.succeed(Cause.pretty(cause)),
    codeOf = () => 1,
    codeOfStop = () => 0,
    codeOfUnread = 1,
    isSilent = () => false,
  }: Options<E> = {},
) => {
  let stop: { readonly at: number; readonly code: number } | undefined
  const onStop = (code: number) => {
    const at = performance.now()
    stop ??= { at, code }
    if (at - stop.at > oneKeystroke) process.exit(130)
  }
  process.on("SIGTERM", () => onStop(codeOfStop(15)))
  process.on("SIGINT", () => onStop(codeOfStop(2)))
  let lost: number | undefined
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (lost !== undefined) return
    lost = error.code === "EPIPE" ? codeOfUnread : 1
    if (error.code !== "EPIPE") tell(`stdout: ${error.message}`)
    onStop(lost)
    process.kill(process.pid, "SIGTERM")
  })
  // There is nobody to tell.
  process.stderr.on("error", () => undefined)

  let code = 0
  const settle = Effect.fnUntraced(function* (cause: Cause.Cause<E>) {
    const [reason] = cause.reasons
    if (reason === undefined || Cause.hasInterruptsOnly(cause)) return
    code = reason._tag === "Fail" ? codeOf(reason.error) : 1
    if (reason._tag === "Fail" && isSilent(reason.error)) return
    const text = reason._tag === "Fail" ? reason.error.message : yield* bug(cause)
    tell(text)
  })

  NodeRuntime.runMain(Effect.tapCause(effect, settle), {
    disableErrorReporting: true,
    // What was written last may still fail.
    teardown: (exit, done) =>
      setImmediate(() => done(lost ?? (isStopped(exit) ? (stop?.code ?? 0) : code))),
  })
}

const tell = (text: string) => {
  const name = styleText("red", "plinth:", { stream: process.stderr })
  process.stderr.write(`${text.replaceAll(/^/gm, `${name} `)}\n`)
}

/** Ctrl-C under npm arrives twice, from the terminal and from npm: within this many ms it is one. */
const oneKeystroke = 300

const isStopped = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
