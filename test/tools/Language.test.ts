import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"

/** Split, because the compiler reads directives in strings too. */
const directive = ["// @effect", "diagnostics-next-line globalTimers:off"].join("-")
const wide = "word ".repeat(25)

/** Files with the kind of finding that their last line must have. */
const violations: Readonly<Record<string, readonly [kind: string, ...ReadonlyArray<string>]>> = {
  "README.md": ["people", "A user", "and his plan"],
  "docs/Billing.md": ["people", "He pays."],
  "src/People.ts": ["people", "// Shown to the caller,", "// if it is for him."],
  "test/People.test.ts": ["people", 'it("lets an owner remove himself", () => {})'],
  "migrations/0001_users.ts": ["people", "/** Keeps her rows. */"],
  "scripts/People.js": ["people", "// She runs this."],
  "openapi.json": ["people", "{", '  "description": "The user and his projects." }'],
  "grafana/alerts.yml": ["people", "summary: nobody but him"],
  "deploy/deploy.sh": ["people", "# as he wants"],
  ".github/workflows/ci.yml": ["people", "# his"],
  ".ci/run": ["people", "# his"],
  ".env.example": ["people", "# his"],
  Dockerfile: ["people", "# his"],
  "docker-compose.yml": ["people", "# his"],
  "src/Of.ts": ["docstring", "export const a = 1", "/** Of a statement that failed. */"],
  "migrations/Who.ts": ["docstring", "/** Who asks. */"],
  "scripts/Those.ts": ["docstring", "/** Those that wait. */"],
  "test/What.ts": ["docstring", "/**", " * What the server answers."],
  "grafana/Whatever.ts": ["docstring", "  /** Whatever is left. */"],
  "src/That.ts": ["docstring", "/** That it ends. */"],
  "src/Whose.ts": ["docstring", "/** Whose turn it is. */"],
  "src/ToBe.ts": ["docstring", "/** To be called once. */"],
  "src/WhereThere.ts": ["docstring", "/** Where there is no key. */"],
  "docs/Recipe.md": ["docstring", "   ```ts", "   /** Whether it may. */"],
  "docs/Diff.md": ["docstring", "   ```diff", "   +/**", "   + * Of a parcel."],
  "src/Listening.ts": ["log", 'Effect.logInfo("Listening")'],
  "src/Redirected.ts": ["log", "Effect.logError(", "  `Redirected`)"],
  "src/Mail.ts": ["log", 'Effect.log("E-mail sent")'],
  "src/Template.ts": ["constant", "Effect.logInfo(`listening on ${port}`)"],
  "src/Concatenation.ts": ["constant", 'Effect.logWarning("listening on " + port)'],
  "src/Timers.ts": ["suppression", directive],
  "test/Console.ts": ["suppression", "// oxlint-disable-next-line no-console"],
  "scripts/Error.ts": ["suppression", "// @ts-expect-error"],
  "CONTRIBUTING.md": ["markdown", "# Plinth", wide],
  "docs/Item.md": ["markdown", `- ${wide}`],
  "docs/InnerItem.md": ["markdown", "1. One", "", `   - ${wide}`],
  "docs/AfterCode.md": ["markdown", "```", wide, "```", wide],
  "docs/Link.md": ["markdown", `${wide} [docs](https://example.com)`],
}

/** Files without a violation. */
const accepted: Readonly<Record<string, ReadonlyArray<string>>> = {
  "src/Accepted.ts": [
    "/** The user that asks, what they ask, and that it ends. */",
    "/** Whole answers. */",
    "/* Of no docstring */",
    'Effect.logInfo("listening")',
    'Effect.logInfo("PostgreSQL is unreachable")',
    'Effect.logInfo("Redis is unreachable")',
    'Effect.logInfo("SIGTERM")',
    'Effect.logInfo("X-Forwarded-For is ignored")',
    "Effect.logInfo(`listening`)",
    'const heap = ["theme", "history", "this"]',
    `${directive} -- no fiber waits`,
  ],
  "test/Logs.ts": ['Effect.logInfo("Listening")'],
  "docs/Accepted.md": [
    `| ${wide} |`,
    "```sh",
    wide,
    "```",
    "",
    `    ${wide}`,
    "",
    "1. One",
    "",
    `       ${wide}`,
    "",
    `See [the docs](https://example.com/${"a".repeat(120)}).`,
    `[docs]: https://example.com/${"a".repeat(120)}`,
  ],
  "node_modules/a/README.md": ["his", wide],
  "test/clients/node_modules/a.ts": ["/** Of his. */"],
  "test/clients/package-lock.json": ["his"],
}

/** Runs the check in a directory that holds these files. */
const check = (files: Readonly<Record<string, ReadonlyArray<string>>>) => {
  const directory = mkdtempSync(join(tmpdir(), "plinth-language-"))
  for (const [file, lines] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), lines.join("\n"))
  }
  const { status, stderr } = spawnSync(process.execPath, [resolve("scripts/Language.ts")], {
    cwd: directory,
    encoding: "utf8",
  })
  rmSync(directory, { recursive: true })
  return { status, stderr }
}

describe("The language check", () => {
  const planted = Object.entries(violations).map(([file, [, ...lines]]) => [file, lines] as const)
  const { status, stderr } = check({ ...Object.fromEntries(planted), ...accepted })
  const findings = stderr.match(/^\S+:\d+: \w+/gm) ?? []
  const findingsOf = (file: string) => findings.filter((text) => text.startsWith(`${file}:`))

  it.each(Object.entries(violations))("finds the violation in %s", (file, [kind, ...lines]) => {
    assert.deepStrictEqual(findingsOf(file), [`${file}:${lines.length}: ${kind}`])
  })

  it.each(Object.keys(accepted))("accepts %s", (file) => {
    assert.deepStrictEqual(findingsOf(file), [])
  })

  it("reports nothing else, a count by kind, and exit code 1", () => {
    assert.strictEqual(findings.length, planted.length)
    assert.match(stderr, /\n(?=.*people 14)(?=.*docstring 11)(?=.*log 3).*\n$/)
    assert.strictEqual(status, 1)
  })

  it("suggests what to write instead", () => {
    const { stderr: advice } = check({ "src/A.ts": ["/** Of it. */", 'Effect.log("Started")'] })
    assert.strictEqual(
      advice,
      [
        'src/A.ts:1: docstring: docstring begins with "Of": begin with its subject or a verb ("Returns …")',
        'src/A.ts:2: log: log message begins with "Started": begin in lower case',
        "docstring 1, log 1",
        "",
      ].join("\n"),
    )
  })

  it("passes silently without findings", () => {
    assert.deepStrictEqual(check(accepted), { status: 0, stderr: "" })
  })
})
