import { styleText } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Effect, Exit } from "effect"

interface Options<E> {
  /** The exit code of a failure. Default: 1. */
  readonly failureExitCode?: (error: E) => number
  /** Tests for failures that were already printed. */
  readonly isReported?: (error: E) => boolean
  /** The text printed for a bug. Default: the whole cause. */
  readonly describeBug?: (cause: Cause.Cause<unknown>) => Effect.Effect<string>
  /** The exit code after a stop signal, by its number. Default: 0. */
  readonly signalExitCode?: (signal: number) => number
  /** The exit code when the reader of stdout closed it. Default: 1. */
  readonly closedStdoutExitCode?: number
}

/**
 * Runs an effect as the process. Exits with 0 after success or a stop signal. After a failure, prints its message to
 * stderr, each line with the prefix `plinth:`, and exits with `failureExitCode`. A second signal exits immediately.
 * Stops the effect when stdout can no longer be written.
 */
export const run = <E extends Error>(
  effect: Effect.Effect<unknown, E>,
  {
    closedStdoutExitCode = 1,
    describeBug = (cause) => Effect.succeed(Cause.pretty(cause)),
    failureExitCode = () => 1,
    isReported = () => false,
    signalExitCode = () => 0,
  }: Options<E> = {},
) => {
  let stop: { readonly at: number; readonly code: number } | undefined
  const onStop = (code: number) => {
    const at = performance.now()
    stop ??= { at, code }
    if (at - stop.at > duplicateSignalMs) process.exit(130)
  }
  process.on("SIGTERM", () => onStop(signalExitCode(15)))
  process.on("SIGINT", () => onStop(signalExitCode(2)))
  let stdoutExitCode: number | undefined
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (stdoutExitCode !== undefined) return
    stdoutExitCode = error.code === "EPIPE" ? closedStdoutExitCode : 1
    if (error.code !== "EPIPE") printError(`stdout: ${error.message}`)
    onStop(stdoutExitCode)
    process.kill(process.pid, "SIGTERM")
  })
  // An error of stderr cannot be reported anywhere.
  process.stderr.on("error", () => undefined)

  let code = 0
  const report = Effect.fnUntraced(function* (cause: Cause.Cause<E>) {
    const [reason] = cause.reasons
    if (reason === undefined || Cause.hasInterruptsOnly(cause)) return
    code = reason._tag === "Fail" ? failureExitCode(reason.error) : 1
    if (reason._tag === "Fail" && isReported(reason.error)) return
    const text = reason._tag === "Fail" ? reason.error.message : yield* describeBug(cause)
    printError(text)
  })

  NodeRuntime.runMain(Effect.tapCause(effect, report), {
    disableErrorReporting: true,
    // Waits one turn of the event loop, because the last write to stdout may still fail.
    teardown: (exit, done) =>
      setImmediate(() => done(stdoutExitCode ?? (isStopped(exit) ? (stop?.code ?? 0) : code))),
  })
}

const printError = (text: string) => {
  const name = styleText("red", "plinth:", { stream: process.stderr })
  process.stderr.write(`${text.replaceAll(/^/gm, `${name} `)}\n`)
}

/** Signals within this many ms count as one: under npm, Ctrl-C arrives twice, from the terminal and from npm. */
const duplicateSignalMs = 300

const isStopped = (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
