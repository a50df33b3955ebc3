/** The levels of nesting a JSON body may have. */
const maxDepth = 64
/** Members of lists and objects, and the value that holds them all. A decoder looks at each of them. */
const maxValues = 100_000

/**
 * Finds what makes a JSON text, or lines of JSON, unsafe to parse and decode; undefined when nothing does. One pass over the
 * text, which costs less than parsing it and makes nothing. A `__proto__` key is found however it is spelt; no other key is a
 * danger: to `JSON.parse`, `constructor` and `prototype` are names like any other. What is not JSON may pass, and fails when
 * it is parsed.
 */
export const problemIn = (text: string): string | undefined => {
  let depth = 0
  let values = 0
  /** Nothing has followed the last bracket that opened. */
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
        if (depth > maxDepth) return `The body is nested over ${maxDepth} levels`
        break
      case braceEnd:
      case bracketEnd:
        // Its members are as many as its commas and one, or none.
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

const tooMany = "The body has more than 100,000 values"

const [tab, lineFeed, carriageReturn, space, quote, comma] = [9, 10, 13, 32, 34, 44]
const [colon, bracket, backslash, bracketEnd, brace, braceEnd] = [58, 91, 92, 93, 123, 125]

/** Where the quote is that ends a string. In one without escapes it is the first, which is found fastest. */
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

/** Where something follows that is no white space. */
const afterBlanks = (text: string, start: number) => {
  if (!isBlank(text.charCodeAt(start))) return start
  notBlank.lastIndex = start
  return notBlank.test(text) ? notBlank.lastIndex - 1 : text.length
}

/** The last character before the next one that has a meaning here. Most words are short: looked through faster than searched. */
const endOfWord = (text: string, start: number) => {
  const near = start + 16
  for (let at = start + 1; at < near; at += 1) {
    if (isStructural(text.charCodeAt(at))) return at - 1
  }
  structural.lastIndex = near
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

/** Each letter as it is or, in six characters, by its code: `\u005f`. */
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
