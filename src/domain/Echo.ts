/**
 * Prepares a client's text for being repeated in a response: at most `maxBytes` bytes of JSON, plus "…" when cut.
 * Replaces control characters and lone surrogates, each of which takes six bytes in JSON.
 */
export const echo = (text: string, maxBytes: number): string => {
  const start = text
    .slice(0, maxBytes + 1)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, "\uFFFD")
  let bytes = 0
  let end = 0
  for (const character of start) {
    bytes += jsonBytesOf(character)
    if (bytes > maxBytes) return `${start.slice(0, end)}…`
    end += character.length
  }
  return start
}

/** The size of a character in JSON, in UTF-8 bytes. */
const jsonBytesOf = (character: string) => {
  if (character === '"' || character === "\\") return 2
  const code = character.codePointAt(0) ?? 0
  if (code < 0x80) return 1
  if (code < 0x800) return 2
  return code < 0x10000 ? 3 : 4
}
