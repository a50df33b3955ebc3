import { Effect } from "effect"

/** Counting blocks the event loop, so the count of a longer text is extrapolated from its first characters. */
const maxCountedLength = 50_000
/** Counting a word takes quadratic time, so longer words are counted in parts. */
const maxWordLength = 300
const hasLongWord = new RegExp(String.raw`\S{${maxWordLength}}|\s{${maxWordLength}}`, "u")
const textPart = new RegExp(`[^]{1,${maxWordLength}}`, "gu")

/**
 * Counts the tokens of a text in o200k_base, the encoding of OpenAI's models. For other vendors, whose encodings are
 * not public, this is an estimate. The tables, 2 MB, are loaded when the first text is counted.
 */
export const tokensIn = (text: string): Effect.Effect<number> =>
  text === ""
    ? Effect.succeed(0)
    : Effect.map(
        Effect.promise(() => import("gpt-tokenizer/encoding/o200k_base")),
        ({ countTokens }) => {
          const start = text.slice(0, maxCountedLength)
          const parts = hasLongWord.test(start) ? (start.match(textPart) ?? []) : [start]
          // Text that looks like a special token is counted as ordinary text.
          const tokens = parts.reduce(
            (sum, part) => sum + countTokens(part, { disallowedSpecial: new Set() }),
            0,
          )
          return text.length <= maxCountedLength
            ? tokens
            : Math.ceil((tokens * text.length) / maxCountedLength)
        },
      )
