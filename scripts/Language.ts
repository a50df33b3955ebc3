import { globSync, readFileSync } from "node:fs"

/** A place in a text, and what to change there. */
type Finding = readonly [offset: number, advice: string]

interface Rule {
  readonly files: RegExp
  readonly find: (text: string) => Iterable<Finding>
}

/** Finds a pattern. `advise` receives the first group of a match, and returns undefined if the match is allowed. */
const matches = (pattern: RegExp, advise: (word: string) => string | undefined) =>
  function* (text: string): Generator<Finding> {
    for (const { index, 0: all, 1: word = "" } of text.matchAll(pattern)) {
      const advice = advise(word)
      if (advice !== undefined) yield [index + all.indexOf(word), advice]
    }
  }

/** Names that may begin a log message. Words with a second capital (AI, PostgreSQL, SIGTERM) need no entry. */
const names = new Set(["Redis"])

/** The maximum width of a line of Markdown prose, in characters without the targets of links. */
const maxProseWidth = 120

/** Finds wide prose. Tables, fenced or indented code and definitions of links may be wider. */
function* wideProse(text: string): Generator<Finding> {
  let offset = 0
  let fence = ""
  // The column where the text of the current list item begins; 0 outside lists.
  let column = 0
  for (const line of text.split("\n")) {
    const content = line.trim()
    const indent = line.length - line.trimStart().length
    const mark = /^(`{3,}|~{3,})/.exec(content)?.[0] ?? ""
    if (fence !== "") {
      if (content === mark && mark.startsWith(fence)) fence = ""
    } else if (mark !== "") {
      fence = mark
    } else if (content !== "" && indent < column + 4) {
      const item = /^([-*+]|\d+[.)])\s+/.exec(content)?.[0]
      if (item !== undefined) column = indent + item.length
      else if (indent === 0) column = 0
      const width = [...line.replace(/\]\([^)]*\)|https?:\/\/\S+/g, "]")].length
      if (width > maxProseWidth && !/^(\||\[[^\]]+\]:)/.test(content)) {
        yield [offset, `line has ${width} characters: wrap it at ${maxProseWidth}`]
      }
    }
    offset += line.length + 1
  }
}

const code = /\.(ts|js|mjs)$/
const product = /^(src|migrations)\/.*\.ts$/

/** The rules of CONTRIBUTING.md about language that a machine can check. */
const rules: Readonly<Record<string, Rule>> = {
  people: {
    files: /./,
    find: matches(
      /\b(he|him|his|himself|she|her|hers|herself)\b/gi,
      (word) => `"${word}": write "they", or repeat the noun`,
    ),
  },
  docstring: {
    files: /\.(ts|js|mjs|md)$/,
    find: matches(
      /\/\*\*[\s*+]*((?:Of|Who|Whoever|Whom|Whose|Those|What|Whatever|That|Which|Whether|Why|To be|Where there)\b)/g,
      (word) => `docstring begins with "${word}": begin with its subject or a verb ("Returns …")`,
    ),
  },
  log: {
    files: product,
    find: matches(/\blog(?:Trace|Debug|Info|Warning|Error|Fatal)?\(\s*["`]([A-Z][\w-]*)/g, (word) =>
      /.[A-Z]/.test(word) || names.has(word)
        ? undefined
        : `log message begins with "${word}": begin in lower case`,
    ),
  },
  constant: {
    files: product,
    find: matches(
      /\blog(?:Trace|Debug|Info|Warning|Error|Fatal)?\(\s*(?:"[^"\n]*"\s*\+|`[^`]*\$\{)/g,
      () => "log message is not constant: put the data into Effect.annotateLogs",
    ),
  },
  suppression: {
    files: code,
    find: matches(
      /(?:@effect-diagnostics|(?:ox|es)lint-disable|@ts-(?:ignore|expect-error|nocheck))(?!.* -- \S)/g,
      () => 'suppression without a reason: append " -- " and the reason',
    ),
  },
  markdown: { files: /\.md$/, find: wideProse },
}

const folders = "{src,migrations,scripts,test,grafana,deploy,docs,.github,.ci}/**/*"
const checked = /(\.(ts|js|mjs|md|json|ya?ml|sh|cfg)|\.env\.example|Dockerfile|\.ci\/run)$/
// Installed or generated; and this check with its test, which quote what they refuse.
const excluded =
  /(^|\/)(node_modules|generated|clients\/openapi\.json|openapi\.d\.ts|package-lock\.json|Language(\.test)?\.ts)$/

const files = globSync([folders, "*", ".env.example"], { exclude: (file) => excluded.test(file) })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => checked.test(file) && !excluded.test(file))

const counts = new Map<string, number>()
for (const file of files.toSorted()) {
  const text = readFileSync(file, "utf8")
  for (const [kind, rule] of Object.entries(rules)) {
    if (!rule.files.test(file)) continue
    for (const [offset, advice] of rule.find(text)) {
      const line = text.slice(0, offset).split("\n").length
      process.stderr.write(`${file}:${line}: ${kind}: ${advice}\n`)
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
    }
  }
}

if (counts.size > 0) {
  process.stderr.write(`${[...counts].map(([kind, count]) => `${kind} ${count}`).join(", ")}\n`)
  process.exitCode = 1
}
