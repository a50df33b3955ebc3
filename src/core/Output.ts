import { Effect } from "effect"

/** The destination of log lines: stdout, stderr, or a buffer in tests. */
export interface Output {
  readonly write: (text: string, done?: () => void) => unknown
  /** Only terminals have this. Returns false if NO_COLOR is set. */
  readonly hasColors?: () => boolean
}

/**
 * Waits until all output has left the process: a pipe buffers 64 KiB, and `process.exit` drops what the reader has not
 * yet taken. Gives up after 2 seconds, so that a stalled reader cannot block shutdown.
 */
export const flushOutput = (output: Output) =>
  Effect.callback<void>((resume) => {
    output.write("", () => resume(Effect.void))
  }).pipe(Effect.timeoutOption("2 seconds"), Effect.asVoid)
