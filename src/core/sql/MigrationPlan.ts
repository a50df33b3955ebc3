import type { Timestamp } from "../../domain/Fields.ts"

/** A row of the table `migrations`. */
export interface Recorded {
  /** The number at the start of its name. */
  readonly id: number
  readonly name: string
  readonly applied_at: Timestamp
}

interface Status {
  readonly id: number
  readonly name: string
  /** `null` if it has not run on this database. */
  readonly applied_at: Timestamp | null
  /** True if this release contains it. */
  readonly known: boolean
}

type AppliedStatus = Status & { readonly applied_at: Timestamp }

const isApplied = (status: Status): status is AppliedStatus => status.applied_at !== null

export interface MigrationPlan {
  /** The migrations of this release and those that ran on this database, by number. */
  readonly migrations: ReadonlyArray<Status>
  /** The names in this release that have not run, in the order in which they will run. */
  readonly pending: ReadonlyArray<string>
  /** The names that a newer release ran: their numbers are above the last of this release. */
  readonly newer: ReadonlyArray<string>
  /** Conflicts that block every run. One line each, with the names and what to do. */
  readonly problems: ReadonlyArray<string>
}

/**
 * Compares the migrations of this release, in their order, with those that ran on a database. Migrations are identified
 * by name, not by number. Plinth's numbers end at 1000 and an adopter's begin at 1001; "above the last" is decided in
 * each range separately, because releases of Plinth add migrations below those of an adopter.
 */
export const plan = (
  names: ReadonlyArray<string>,
  recorded: ReadonlyArray<Recorded>,
): MigrationPlan => {
  const recordedByName = new Map(recorded.map((row) => [row.name, row]))
  const known = new Set(names)
  const ofRelease = names.map((name): Status => ({
    id: numberOf(name),
    name,
    applied_at: recordedByName.get(name)?.applied_at ?? null,
    known: true,
  }))
  const unknown = recorded
    .filter(({ name }) => !known.has(name))
    .map(({ applied_at, id, name }): Status => ({ id, name, applied_at, known: false }))
  return {
    migrations: [...ofRelease, ...unknown].toSorted((one, other) => one.id - other.id),
    pending: names.filter((name) => !recordedByName.has(name)),
    newer: unknown
      .filter(({ id }) => id > numberOf(lastInRange(id, names)))
      .map(({ name }) => name),
    problems: [...problemsWithin(names, recorded), ...problemsBetween(names, recorded)],
  }
}

/** The migration that ran last; the highest number among those of one run. */
export const newestOf = ({ migrations }: MigrationPlan) =>
  migrations.reduce<AppliedStatus | undefined>(
    (newest, one) =>
      isApplied(one) && (newest === undefined || newest.applied_at <= one.applied_at)
        ? one
        : newest,
    undefined,
  )

/** Returns the number at the start of a name, 0 if there is none. */
export const numberOf = (name: string) => Number(/^\d+/.exec(name)?.[0] ?? 0)

/** Numbers up to this one are reserved for Plinth's own migrations. */
const maxPlinthNumber = 1000

/** Returns the name with the highest number in the same range; empty if the release has none in it. */
const lastInRange = (id: number, names: ReadonlyArray<string>) =>
  names
    .filter((name) => numberOf(name) > maxPlinthNumber === id > maxPlinthNumber)
    .reduce((last, name) => (numberOf(name) > numberOf(last) ? name : last), "")

/** Problems within the names of a release, independent of the database. */
const problemsWithin = (names: ReadonlyArray<string>, recorded: ReadonlyArray<Recorded>) => {
  const problems: Array<string> = []
  const firstByNumber = new Map<number, string>()
  let last = ""
  for (const name of names) {
    const id = numberOf(name)
    const sameNumber = firstByNumber.get(id)
    const freeName = nextFreeName(name, names, recorded)
    if (id === 0) {
      problems.push(`migration ${name} has no number. Name it, for example, ${freeName}`)
    } else if (sameNumber !== undefined) {
      problems.push(
        `migrations ${sameNumber} and ${name} have the same number. Give the one that is not Plinth's a number from 1001 on. For ${name}: ${renameSteps(name, freeName)}`,
      )
    } else if (id < numberOf(last)) {
      problems.push(
        `migration ${name} is listed after ${last} but has a lower number. Move its line in migrations/index.ts up, or, if it is not Plinth's, ${renameSteps(name, freeName)}`,
      )
    } else last = name
    if (sameNumber === undefined) firstByNumber.set(id, name)
  }
  return problems
}

/** Conflicts between the migrations that ran on the database and those of the release. */
const problemsBetween = (names: ReadonlyArray<string>, recorded: ReadonlyArray<Recorded>) =>
  recorded.flatMap(({ id, name }) => {
    if (names.includes(name)) {
      return id === numberOf(name)
        ? []
        : `migration ${name} is recorded under the number ${id}. Fix it: UPDATE migrations SET id = ${numberOf(name)} WHERE name = '${name}'`
    }
    const renamed = names.find(
      (one) => titleOf(one) === titleOf(name) && recorded.every((row) => row.name !== one),
    )
    const rename = (to: string) => `plinth migrate rename ${name} ${to}`
    const sameNumber = names.find((one) => numberOf(one) === id)
    if (sameNumber !== undefined) {
      return `this database ran ${name}, but this release has ${sameNumber} at that number. ${
        renamed === undefined
          ? `If it was renamed: ${rename(sameNumber)}. If they are different migrations, give the one that is not Plinth's a number from 1001 on. For ${name}: ${renameSteps(name, nextFreeName(name, names, recorded))}`
          : `If it was renamed to ${renamed}: ${rename(renamed)}`
      }`
    }
    const last = lastInRange(id, names)
    if (id > numberOf(last)) {
      return renamed === undefined
        ? []
        : `this database ran ${name}, but not ${renamed} of this release. If they are the same migration: ${rename(renamed)}. Otherwise, give ${renamed} another name, such as ${renamed}_more`
    }
    return `this database ran ${name}, which is missing from this release although the later ${last} is in it. ${
      renamed === undefined
        ? `If it was renamed: ${rename("<new name>")}. Otherwise, restore it in migrations/index.ts`
        : `If it was renamed to ${renamed}: ${rename(renamed)}`
    }`
  })

const renameSteps = (from: string, to: string) =>
  `rename its file and its line in migrations/index.ts to ${to}, then, on each database where it ran: plinth migrate rename ${from} ${to}`

/** Returns the migration's name with the next free number of an adopter. */
const nextFreeName = (
  name: string,
  names: ReadonlyArray<string>,
  recorded: ReadonlyArray<Recorded>,
): string => {
  const taken = [maxPlinthNumber, ...names.map(numberOf), ...recorded.map(({ id }) => id)]
  return `${Math.max(...taken) + 1}_${titleOf(name)}`
}

/** Returns a name without its number. */
const titleOf = (name: string) => name.replace(/^\d*_?/, "")
