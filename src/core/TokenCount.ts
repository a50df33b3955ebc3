import { Effect } from "effect"

/** Beyond that it is an estimate in proportion: nothing else runs while a text is counted. */
const counted = 50_000
/** A word is counted in a time that grows with the square of its length: a longer one is counted in parts. */
const longestWord = 300
const longWord = new RegExp(String.raw`\S{${longestWord}}|\s{${longestWord}}`, "u")
const partOfText = new RegExp(`[^]{1,${longestWord}}`, "gu")

/**
 * How many tokens a text has, in the encoding o200k_base of OpenAI's models; for those of others, who keep theirs to
 * themselves, about as many. Its tables, 2 MB, are loaded when the first text is counted.
 */
export const tokensIn = (text: string): Effect.Effect<number> =>
  text === ""
    ? Effect.succeed(0)
    : Effect.map(
        Effect.promise(() => import("gpt-tokenizer/encoding/o200k_base")),
        ({ countTokens }) => {
          const start = text.slice(0, counted)
          const parts = longWord.test(start) ? (start.match(partOfText) ?? []) : [start]
          // What looks like a special token is text like any other.
          const tokens = parts.reduce(
            (sum, part) => sum + countTokens(part, { disallowedSpecial: new Set() }),
            0,
          )
          return text.length <= counted ? tokens : Math.ceil((tokens * text.length) / counted)
        },
      )
