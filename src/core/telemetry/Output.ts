import { Effect } from "effect"

/** The destination of log lines: stdout, stderr, or a buffer in tests. */
export interface Output {
  readonly write: (text: string, done?: () => void) => unknown
  /** Only terminals have this. Returns false if NO_COLOR is set. */
  readonly hasColors?: () => boolean
}

/** Replaces control characters by their JSON escapes, so that a text cannot start a line or control the terminal. */
export const escapeControls = (text: string) =>
  text.replaceAll(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )

/**
 * Waits until all output has left the process: a pipe buffers 64 KiB, and `process.exit` drops what the reader has not
 * yet taken. Gives up after 2 seconds, so that a stalled reader cannot block shutdown.
 */
export const flushOutput = (output: Output) =>
  Effect.callback<void>((resume) => {
    output.write("", () => resume(Effect.void))
  }).pipe(Effect.timeoutOption("2 seconds"), Effect.asVoid)
