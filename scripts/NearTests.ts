import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { basename, dirname, join, normalize } from "node:path"

/** CPU seconds that all chosen test files may take: on two cores, with the start of a run, a minute. */
const budget = 70

/** Assumed for a test file without a recorded time. */
const unknown = 3

const git = (...words: ReadonlyArray<string>) =>
  spawnSync("git", words, { encoding: "utf8" })
    .stdout.split("\n")
    .filter((line) => line !== "")

/** The commit that `--changed`, `--changed REF` or `--changed=REF` compares with; undefined without it. */
export const changedSince = (words: ReadonlyArray<string>) => {
  const at = words.findIndex((word) => /^--changed(?:=|$)/.test(word))
  const [, inWord] = words[at]?.split("=") ?? []
  const next = words[at + 1]
  if (at < 0) return undefined
  return inWord ?? (next === undefined || next.startsWith("-") ? "HEAD" : next)
}

/** The files that differ from a commit: those that are not in it, too. */
const changes = (commit: string) => [
  ...git("diff", "--name-only", "--relative", commit),
  ...git("ls-files", "--others", "--exclude-standard"),
]

/**
 * The files that a file imports when it runs, and those of the repository that it names in quotes, as a program that it
 * starts or a text that it reads.
 */
const usedBy = (file: string) => {
  const text = readFileSync(file, "utf8")
  const imported = Array.from(
    text.matchAll(/^(?!(?:import|export) type\b).*?(?:\bfrom|\bimport\(?) ?"(\.[^"]+)"/gm),
    ([, path = ""]) => normalize(join(dirname(file), path)),
  )
  const named = Array.from(text.matchAll(/["`]([\w./-]+\.\w+)["`]/g), ([, path = ""]) => path)
  return [...imported, ...named]
}

/** How many imports each file is away from one of these. */
const distancesFrom = (changed: ReadonlyArray<string>) => {
  const users = new Map<string, Array<string>>()
  const files = git("ls-files", "--cached", "--others", "--exclude-standard", "*.ts")
  for (const file of files.filter((name) => existsSync(name))) {
    for (const used of usedBy(file)) users.set(used, [...(users.get(used) ?? []), file])
  }
  const distances = new Map(changed.map((file) => [file, 0]))
  // A map's iteration also visits what is added during it.
  for (const [file, distance] of distances) {
    for (const user of users.get(file) ?? []) {
      if (!distances.has(user)) distances.set(user, distance + 1)
    }
  }
  return distances
}

/** Words that a test file of the same subject begins with: `ProjectsRepo.ts` and `ProjectsHttp.ts` are of `Projects`. */
const subjectOf = (file: string) =>
  basename(file)
    .replace(/\..*$/, "")
    .replace(/(?:Repo|Http|Api|Handlers|Command|Rpcs|Sqlite|Postgres)+$/, "")

export interface Near {
  /** The test files to run. */
  readonly files: ReadonlyArray<string>
  /** How many more test files reach a changed file. */
  readonly left: number
}

/**
 * The test files of `npm test -- --changed`: nearest to the change first, until a minute is full. First those of the
 * same subject, then those fewest imports away from a changed file; of two equally near, the faster one. One change of
 * a core file reaches every test: all of them run with `npm test`.
 */
export const nearTests = (
  commit: string,
  seconds: Readonly<Record<string, number>>,
  runs: (file: string) => number,
): Near => {
  const changed = changes(commit)
  const subjects = new Set(changed.map(subjectOf))
  const rank = (file: string, distance: number) =>
    distance === 0 ? 0 : subjects.has(subjectOf(file)) ? 0.5 : distance
  const cost = (file: string) => (seconds[file] ?? unknown) * runs(file)
  const reached = Array.from(distancesFrom(changed), ([file, distance]) => ({
    file,
    rank: rank(file, distance),
  }))
    .filter(({ file }) => file.endsWith(".test.ts") && existsSync(file))
    .toSorted((a, b) => a.rank - b.rank || cost(a.file) - cost(b.file))
  let spent = 0
  const chosen = reached.filter(({ file, rank }) => {
    const fits = rank === 0 || spent + cost(file) <= budget
    if (fits) spent += cost(file)
    return fits
  })
  return { files: chosen.map(({ file }) => file), left: reached.length - chosen.length }
}
