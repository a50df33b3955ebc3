import { assert, describe, it } from "@effect/vitest"
import {
  type Arbitrary,
  assert as fastCheck,
  constantFrom,
  oneof,
  property,
  record,
  shuffledSubarray,
  subarray,
} from "fast-check"
import { newestOf, plan, type Recorded } from "../../../src/core/sql/MigrationPlan.ts"
import { Timestamp } from "../../../src/domain/Fields.ts"

const at = (second: number) => Timestamp.make(`2026-11-25T09:30:0${second}.000Z`)

const row = (name: string, id = Number.parseInt(name, 10), second = 0): Recorded => ({
  id,
  name,
  applied_at: at(second),
})

const problemsOf = (names: ReadonlyArray<string>, ran: ReadonlyArray<string> = []) =>
  plan(
    names,
    ran.map((name) => row(name)),
  ).problems

describe("Migration plan problems", () => {
  it("report two migrations with the same number", () => {
    assert.deepStrictEqual(
      problemsOf(["0009_usage", "0010_invoices", "0010_tasks", "1001_notes"]),
      [
        "migrations 0010_invoices and 0010_tasks have the same number. Give the one that is not Plinth's a number from 1001 on. For 0010_tasks: rename its file and its line in migrations/index.ts to 1002_tasks, then, on each database where it ran: plinth migrate rename 0010_tasks 1002_tasks",
      ],
    )
  })

  it("report numbers that do not increase, and a name without a number", () => {
    assert.deepStrictEqual(problemsOf(["0011_invoices", "0010_tasks", "notes"]), [
      "migration 0010_tasks is listed after 0011_invoices but has a lower number. Move its line in migrations/index.ts up, or, if it is not Plinth's, rename its file and its line in migrations/index.ts to 1001_tasks, then, on each database where it ran: plinth migrate rename 0010_tasks 1001_tasks",
      "migration notes has no number. Name it, for example, 1001_notes",
    ])
  })

  it("report a recorded name that differs from the release at the same number", () => {
    const differs =
      "this database ran 0010_tasks, but this release has 0010_invoices at that number."
    assert.deepStrictEqual(problemsOf(["0010_invoices"], ["0010_tasks"]), [
      `${differs} If it was renamed: plinth migrate rename 0010_tasks 0010_invoices. If they are different migrations, give the one that is not Plinth's a number from 1001 on. For 0010_tasks: rename its file and its line in migrations/index.ts to 1001_tasks, then, on each database where it ran: plinth migrate rename 0010_tasks 1001_tasks`,
    ])
    assert.deepStrictEqual(problemsOf(["0010_invoices", "1001_tasks"], ["0010_tasks"]), [
      `${differs} If it was renamed to 1001_tasks: plinth migrate rename 0010_tasks 1001_tasks`,
    ])
  })

  it("report an unknown recorded migration below the last of the release", () => {
    const lacks =
      "this database ran 0008_tasks, which is missing from this release although the later 0010_invoices is in it."
    assert.deepStrictEqual(problemsOf(["0009_usage", "0010_invoices"], ["0008_tasks"]), [
      `${lacks} If it was renamed: plinth migrate rename 0008_tasks <new name>. Otherwise, restore it in migrations/index.ts`,
    ])
    assert.deepStrictEqual(problemsOf(["0010_invoices", "1001_tasks"], ["0008_tasks"]), [
      `${lacks} If it was renamed to 1001_tasks: plinth migrate rename 0008_tasks 1001_tasks`,
    ])
  })

  it("report a renamed migration that the database has recorded under its old name", () => {
    assert.deepStrictEqual(problemsOf(["0009_usage", "1001_tasks"], ["0009_usage", "0010_tasks"]), [
      "this database ran 0010_tasks, but not 1001_tasks of this release. If they are the same migration: plinth migrate rename 0010_tasks 1001_tasks. Otherwise, give 1001_tasks another name, such as 1001_tasks_more",
    ])
    assert.deepStrictEqual(
      problemsOf(["0009_usage", "1001_tasks"], ["0009_usage", "0010_tasks", "1001_tasks"]),
      [],
    )
  })

  it("propose a number that is also free in the database", () => {
    const [problem] = problemsOf(["0010_invoices", "0010_tasks"], ["1001_newer"])
    assert.include(problem, "plinth migrate rename 0010_tasks 1002_tasks")
  })

  it("leave the pending migrations listed by name", () => {
    assert.deepStrictEqual(plan(["0010_invoices"], [row("0010_tasks")]).pending, ["0010_invoices"])
  })

  it("report a record edited by hand, whose number differs from its name", () => {
    assert.deepStrictEqual(plan(["0009_usage", "1001_tasks"], [row("1001_tasks", 10)]).problems, [
      "migration 1001_tasks is recorded under the number 10. Fix it: UPDATE migrations SET id = 1001 WHERE name = '1001_tasks'",
    ])
  })
})

describe("Migration plan, with a newer release's migration", () => {
  it("accepts it above the last of its own range: Plinth's up to 1000, a product's from 1001", () => {
    const names = ["0009_usage", "1001_tasks"]
    const { migrations, newer, pending, problems } = plan(
      names,
      [...names, "0010_invoices", "1002_notes"].map((name) => row(name)),
    )
    assert.deepStrictEqual(
      { newer, pending, problems },
      { newer: ["0010_invoices", "1002_notes"], pending: [], problems: [] },
    )
    assert.deepStrictEqual(
      migrations.map((one) => one.name),
      ["0009_usage", "0010_invoices", "1001_tasks", "1002_notes"],
    )
  })
})

describe("newestOf", () => {
  it("returns the migration that ran last, and among equals the one with the highest number", () => {
    const names = ["0009_usage", "0010_invoices", "1001_tasks", "1002_notes"]
    const newest = (...rows: ReadonlyArray<Recorded>) => newestOf(plan(names, rows))?.name
    assert.strictEqual(newest(), undefined)
    assert.strictEqual(newest(row("1001_tasks"), row("0009_usage")), "1001_tasks")
    assert.strictEqual(
      newest(row("0010_invoices", 10, 1), row("1001_tasks"), row("0009_usage")),
      "0010_invoices",
    )
  })
})

const name = record({
  number: constantFrom("0001", "0002", "0003", "1001", "1002"),
  title: constantFrom("a", "b"),
}).map(({ number, title }) => `${number}_${title}`)

const all = ["0001_a", "0001_b", "0002_a", "0003_a", "0003_b", "1001_a", "1001_b", "1002_a"]

/** Names in a release, by increasing number or in any order. */
const names: Arbitrary<ReadonlyArray<string>> = oneof(subarray(all), shuffledSubarray(all))

/** Records with unique numbers, as the table requires; sometimes one is edited by hand. */
const recorded: Arbitrary<ReadonlyArray<Recorded>> = record({
  ran: shuffledSubarray(all),
  changed: oneof(constantFrom(null), constantFrom(null), name),
}).map(({ changed, ran }) => {
  const rows = ran.map((one) => row(one))
  const more = changed === null ? rows : [...rows, row(changed, 4)]
  return more.filter(({ id }, index) => more.findIndex((other) => other.id === id) === index)
})

const number = (one: string) => Number.parseInt(one, 10)

/** The rules, stated independently of the implementation. */
const isRefused = (release: ReadonlyArray<string>, rows: ReadonlyArray<Recorded>) => {
  const numbers = release.map(number)
  const pending = release.filter((one) => rows.every((ran) => ran.name !== one))
  const rises = numbers.every((n, index) => index === 0 || n > (numbers[index - 1] ?? 0))
  const fits = ({ id, name: one }: Recorded) =>
    release.includes(one)
      ? number(one) === id
      : numbers.every((n) => n > 1000 !== id > 1000 || n < id) &&
        pending.every((other) => other.slice(5) !== one.slice(5))
  return !rises || !rows.every(fits)
}

describe("Migration plan", () => {
  it("is refused by the rules, or runs each pending migration once, in order", () => {
    let [accepted, refused] = [0, 0]
    const law = property(names, recorded, (release, rows) => {
      const { newer, pending, problems } = plan(release, rows)
      assert.strictEqual(problems.length > 0, isRefused(release, rows))
      if (problems.length > 0) {
        refused += 1
        for (const problem of problems) {
          assert.isAtLeast(
            new Set(problem.match(/\d{4}_[ab]\b/g)).size,
            problem.includes("UPDATE") ? 1 : 2,
          )
          assert.match(problem, /plinth migrate rename|UPDATE migrations/)
        }
        return
      }
      accepted += 1
      const ran = rows.map((one) => one.name)
      assert.deepStrictEqual(
        pending,
        release.filter((one) => !ran.includes(one)),
      )
      assert.sameMembers(
        [...newer],
        ran.filter((one) => !release.includes(one)),
      )
      const after = plan(release, [...rows, ...pending.map((one) => row(one))])
      assert.deepStrictEqual([after.pending, after.problems], [[], []])
    })
    fastCheck(law, { numRuns: 2000 })
    assert.isAbove(Math.min(accepted, refused), 100)
  })
})
