import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { basename, dirname, join, normalize } from "node:path"

/** The CPU seconds that the chosen test files may take in total. On two cores, a run then takes about a minute. */
const budgetSeconds = 70

/** The CPU seconds assumed for a test file without a recorded time. */
const defaultSeconds = 3

const git = (...args: ReadonlyArray<string>) =>
  spawnSync("git", args, { encoding: "utf8" })
    .stdout.split("\n")
    .filter((line) => line !== "")

/** Returns the commit that `--changed`, `--changed REF` or `--changed=REF` compares with; undefined without it. */
export const changedSince = (args: ReadonlyArray<string>) => {
  const index = args.findIndex((arg) => /^--changed(?:=|$)/.test(arg))
  const [, assigned] = args[index]?.split("=") ?? []
  const next = args[index + 1]
  if (index < 0) return undefined
  return assigned ?? (next === undefined || next.startsWith("-") ? "HEAD" : next)
}

/** Returns the files that differ from a commit, including untracked files. */
const changes = (commit: string) => [
  ...git("diff", "--name-only", "--relative", commit),
  ...git("ls-files", "--others", "--exclude-standard"),
]

/**
 * Returns the files that a file imports when it runs, and the files of the repository that it names in quotes, such as
 * a program that it starts or a text that it reads.
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

/** Returns, for each file that depends on a changed file, the smallest number of imports between them. */
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

/** Returns the subject of a file: `Projects` for `ProjectsRepo.ts`, `ProjectsHttp.ts` and `Projects.test.ts`. */
const subjectOf = (file: string) =>
  basename(file)
    .replace(/\..*$/, "")
    .replace(/(?:Repo|Http|Api|Handlers|Command|Rpcs|Sqlite|Postgres)+$/, "")

export interface Near {
  /** The test files to run. */
  readonly files: ReadonlyArray<string>
  /** The number of other test files that depend on a changed file. */
  readonly omitted: number
}

/**
 * Chooses the test files of `npm test -- --changed`, as many as run in about a minute: first those of the same subject
 * as a changed file, then those that are the fewest imports away from one; of two equally near ones, the faster one.
 * `seconds` has the recorded CPU seconds of test files, and `runs` returns how often a file runs (once per database).
 * Nearly all tests depend on a core file; `npm test` runs all of them.
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
  const cost = (file: string) => (seconds[file] ?? defaultSeconds) * runs(file)
  const reached = Array.from(distancesFrom(changed), ([file, distance]) => ({
    file,
    rank: rank(file, distance),
  }))
    .filter(({ file }) => file.endsWith(".test.ts") && existsSync(file))
    .toSorted((a, b) => a.rank - b.rank || cost(a.file) - cost(b.file))
  let spent = 0
  const chosen = reached.filter(({ file, rank }) => {
    const fits = rank === 0 || spent + cost(file) <= budgetSeconds
    if (fits) spent += cost(file)
    return fits
  })
  return { files: chosen.map(({ file }) => file), omitted: reached.length - chosen.length }
}
