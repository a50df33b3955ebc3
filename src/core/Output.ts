import { Effect } from "effect"

/** Where lines go: stdout, stderr, or a test. */
export interface Output {
  readonly write: (text: string, done?: () => void) => unknown
  /** Of a terminal; false under NO_COLOR. */
  readonly hasColors?: () => boolean
}

/** Replaces control characters by their JSON escapes, so that a text cannot start a line or command the terminal. */
export const escapeControls = (text: string) =>
  text.replaceAll(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )

/**
 * Waits until everything written has left the process: a pipe takes 64 KiB at once, and `process.exit` drops what
 * still waits for its reader. A reader that stalls does not hold up the end for longer than this.
 */
export const flushOutput = (output: Output) =>
  Effect.callback<void>((resume) => {
    output.write("", () => resume(Effect.void))
  }).pipe(Effect.timeoutOption("2 seconds"), Effect.asVoid)
