import { formatNumber, json } from "../domain/Bounds.ts"

const { maxDepth, maxValues } = json

/**
 * Returns the reason why a JSON text, or lines of JSON, are unsafe to parse and decode; undefined if they are safe. One
 * pass that allocates nothing and costs less than parsing. Finds a `__proto__` key in every escaped spelling; no other
 * key is dangerous: to `JSON.parse`, `constructor` and `prototype` are ordinary names. Text that is not JSON may pass,
 * and fails when it is parsed.
 */
export const problemIn = (text: string): string | undefined => {
  let depth = 0
  let values = 0
  /** True while the innermost list or object has no members yet. */
  let isEmpty = true
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    switch (code) {
      case space:
      case tab:
      case lineFeed:
      case carriageReturn:
        at = afterBlanks(text, at + 1) - 1
        break
      case quote: {
        const start = at + 1
        at = endOfString(text, start)
        isEmpty = false
        if (isProto(text, start, at) && isKey(text, at + 1)) return "The body has a __proto__ key"
        break
      }
      case comma:
        values += 1
        if (values > maxValues) return tooMany
        break
      case brace:
      case bracket:
        if (depth === 0) values += 1
        depth += 1
        isEmpty = true
        if (depth > maxDepth) return `The body is nested deeper than ${maxDepth} levels`
        break
      case braceEnd:
      case bracketEnd:
        // A non-empty list or object has one member more than commas.
        if (!isEmpty) values += 1
        depth -= 1
        isEmpty = false
        if (values > maxValues) return tooMany
        break
      default:
        isEmpty = false
        at = endOfWord(text, at)
    }
  }
  return undefined
}

const tooMany = `The body has more than ${formatNumber(maxValues)} values`

const [tab, lineFeed, carriageReturn, space, quote, comma] = [9, 10, 13, 32, 34, 44]
const [colon, bracket, backslash, bracketEnd, brace, braceEnd] = [58, 91, 92, 93, 123, 125]

/**
 * Returns the index of a string's closing quote. Without escapes it is the first one, which `indexOf` finds fastest.
 */
const endOfString = (text: string, start: number) => {
  const first = text.indexOf('"', start)
  if (first === -1) return text.length
  if (text.charCodeAt(first - 1) !== backslash) return first
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === quote) return at
    if (code === backslash) at += 1
  }
  return text.length
}

const isKey = (text: string, after: number) => text.charCodeAt(afterBlanks(text, after)) === colon

/** Returns the index of the next character that is not white space. */
const afterBlanks = (text: string, start: number) => {
  if (!isBlank(text.charCodeAt(start))) return start
  notBlank.lastIndex = start
  return notBlank.test(text) ? notBlank.lastIndex - 1 : text.length
}

/**
 * Returns the index before the next structural character. Most words are short: a loop is faster than the regular
 * expression.
 */
const endOfWord = (text: string, start: number) => {
  const loopEnd = start + 16
  for (let at = start + 1; at < loopEnd; at += 1) {
    if (isStructural(text.charCodeAt(at))) return at - 1
  }
  structural.lastIndex = loopEnd
  return structural.test(text) ? structural.lastIndex - 2 : text.length
}

const notBlank = /[^ \t\n\r]/g
const structural = /["[\]{},]/g

const isStructural = (code: number) =>
  code === comma ||
  code === quote ||
  code === brace ||
  code === braceEnd ||
  code === bracket ||
  code === bracketEnd

const isBlank = (code: number) =>
  code === space || code === tab || code === lineFeed || code === carriageReturn

const proto = Array.from("__proto__", (letter) => letter.charCodeAt(0))

/** Compares with `__proto__`; each letter may also be a six-character escape: `\u005f`. */
const isProto = (text: string, start: number, end: number) => {
  if (end - start < proto.length || end - start > 6 * proto.length) return false
  let at = start
  for (const letter of proto) {
    if (text.charCodeAt(at) === letter) at += 1
    else if (
      text.startsWith("\\u00", at) &&
      Number.parseInt(text.slice(at + 4, at + 6), 16) === letter
    )
      at += 6
    else return false
  }
  return at === end
}
