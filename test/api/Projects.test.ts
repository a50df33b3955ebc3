import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SecureRandom } from "effect/crypto"
import type { CursorPage, Page } from "../../src/domain/Page.ts"
import type { Project } from "../../src/domain/Project.ts"
import { type Caller, newCaller, server } from "../fixtures/http/Callers.ts"
import { bodyOf, failureOf, send } from "../fixtures/http/Http.ts"

const path = "/api/v1/app/projects"

/** A page by offset or by cursor. */
type List = Partial<Page<Project> & CursorPage<Project>> & Pick<Page<Project>, "items">

const create = (caller: Caller, json: object) =>
  Effect.map(send({ path, token: caller.token, json }), (answer) => {
    assert.strictEqual(answer.status, 201, answer.text)
    return bodyOf<Project>(answer)
  })

const list = (caller: Caller, query = "") =>
  Effect.map(send({ path: `${path}?${query}`, token: caller.token }), (answer) => {
    assert.strictEqual(answer.status, 200, answer.text)
    return bodyOf<List>(answer)
  })

const issuesOf = (caller: Caller, query: string) =>
  Effect.map(send({ path: `${path}?${query}`, token: caller.token }), (answer) => {
    assert.strictEqual(answer.status, 422, `${query}: ${answer.text}`)
    return failureOf(answer).details
  })

const encoded = (text: string) => Buffer.from(text).toString("base64url")

const namesOf = ({ items }: List) => items.map(({ name }) => name)

layer(server(), { excludeTestServices: true })("/app/projects", (it) => {
  it.effect("stores the fields of a project trimmed, and ignores other fields", () =>
    Effect.gen(function* () {
      const caller = yield* newCaller()
      const project = yield* create(caller, {
        name: " \u00a0Engine\n",
        description: "\t Bernoulli ",
        id: "mine",
        owner_id: "someone",
        created_at: "2000-01-01T00:00:00.000Z",
        deleted_at: "2000-01-01T00:00:00.000Z",
        extra: { nested: true },
      })
      const { id, created_at, ...rest } = project
      assert.deepStrictEqual(rest, {
        owner_id: caller.id,
        name: "Engine",
        description: "Bernoulli",
        updated_at: created_at,
      })
      assert.match(id, /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
      const found = yield* send({ path: `${path}/${id}`, token: caller.token })
      assert.deepStrictEqual(found.json, project)
    }),
  )

  it.effect("stores a missing description as null", () =>
    Effect.gen(function* () {
      const caller = yield* newCaller()
      assert.isNull((yield* create(caller, { name: "a" })).description)
      assert.isNull((yield* create(caller, { name: "a", description: null })).description)
    }),
  )

  const lengths: ReadonlyArray<
    readonly [field: "name" | "description", text: string, ok: boolean]
  > = [
    ["name", "a".repeat(255), true],
    ["name", "a".repeat(256), false],
    ["name", "😀".repeat(255), true],
    ["name", "😀".repeat(256), false],
    ["name", ` ${"a".repeat(255)} `, true],
    ["name", "", false],
    ["name", " \t\u00a0\u3000 ", false],
    ["description", "😀".repeat(2000), true],
    ["description", "😀".repeat(2001), false],
    ["description", "", true],
  ]
  for (const [field, text, ok] of lengths) {
    it.effect(
      `${ok ? "accepts" : "refuses"} ${text.length} units of ${field}: ${text.slice(0, 4)}`,
      () =>
        Effect.gen(function* () {
          const { token } = yield* newCaller()
          const answer = yield* send({ path, token, json: { name: "a", [field]: text } })
          assert.strictEqual(answer.status, ok ? 201 : 422)
          if (ok) assert.strictEqual(bodyOf<Project>(answer)[field], text.trim())
          else assert.strictEqual(failureOf(answer).details["field"], field)
        }),
    )
  }

  it.effect("reports all issues of a body together, without its values", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const json = { name: { canary: "canary-1" }, description: ["canary-2"] }
      const answer = yield* send({ path, token, json })
      assert.strictEqual(answer.status, 422)
      const { details } = failureOf(answer)
      const issues = details["issues"] as ReadonlyArray<{ path: string; message: string }>
      assert.deepStrictEqual(issues.map(({ path }) => path).toSorted(), ["description", "name"])
      assert.strictEqual(details["field"], issues[0]?.path)
      assert.notInclude(answer.text, "canary")
    }),
  )

  it.effect("does not quote a refused text of any length", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      for (const name of ["canary\u0000", "canary\ud800", "canary".repeat(100)]) {
        const answer = yield* send({ path, token, json: { name } })
        assert.strictEqual(answer.status, 422)
        assert.notInclude(answer.text, "canary")
      }
    }),
  )

  it.effect("reports a missing name as missing", () =>
    Effect.gen(function* () {
      const { token } = yield* newCaller()
      const answer = yield* send({ path, token, json: {} })
      assert.strictEqual(answer.status, 422)
      assert.strictEqual(failureOf(answer).details["field"], "name")
    }),
  )

  it.effect("changes the fields in PATCH, clears null fields, and keeps the rest", () =>
    Effect.gen(function* () {
      const caller = yield* newCaller()
      const { token } = caller
      const before = yield* create(caller, { name: "a", description: "b" })
      const at = `${path}/${before.id}`
      const patch = (json: object) => send({ method: "PATCH", path: at, token, json })

      const same = yield* patch({})
      assert.strictEqual(same.status, 200)
      assert.deepStrictEqual(same.json, before)

      const ignored = yield* patch({ id: "x", owner_id: "x", created_at: "x", deleted_at: "x" })
      assert.strictEqual(ignored.status, 200)
      assert.deepStrictEqual(ignored.json, before)

      yield* Effect.sleep("5 millis")
      const named = bodyOf<Project>(yield* patch({ name: "  c " }))
      assert.deepStrictEqual(named, { ...before, name: "c", updated_at: named.updated_at })
      assert.isAbove(Date.parse(named.updated_at), Date.parse(before.updated_at))

      const cleared = bodyOf<Project>(yield* patch({ description: null }))
      assert.isNull(cleared.description)
      assert.strictEqual(cleared.name, "c")

      const refused = yield* patch({ name: null })
      assert.strictEqual(refused.status, 422)
      assert.strictEqual(failureOf(refused).details["field"], "name")
      assert.deepStrictEqual((yield* send({ path: at, token })).json, cleared)
    }),
  )

  it.effect("hides a deleted project immediately in every operation", () =>
    Effect.gen(function* () {
      const caller = yield* newCaller()
      const { token } = caller
      const { id } = yield* create(caller, { name: "gone" })
      const at = `${path}/${id}`
      const removed = yield* send({ method: "DELETE", path: at, token })
      assert.strictEqual(removed.status, 204)
      assert.strictEqual(removed.text, "")
      for (const request of [
        { path: at },
        { method: "PATCH", path: at, json: { name: "b" } },
        { method: "DELETE", path: at },
      ]) {
        const answer = yield* send({ ...request, token })
        assert.strictEqual(answer.status, 404)
        assert.deepStrictEqual(failureOf(answer), {
          code: "NOT_FOUND",
          message: "Project not found",
          details: { resource: "Project", id },
        })
      }
      assert.strictEqual((yield* list(caller)).total, 0)
      assert.deepStrictEqual((yield* list(caller, "search=gone")).items, [])
    }),
  )

  const ids = [
    "1",
    "not-a-uuid",
    "%00",
    "%ed%a0%80",
    "%F0%9F%98%80",
    "%25",
    "..%2f..",
    "%2e%2e",
    "'%20OR%201=1--",
    "a".repeat(1000),
    "0198C3D0-6F1E-7C3A-9B1D-2F4C5E6A7B8C",
    "null",
    "__proto__",
    "constructor",
  ]
  for (const id of ids) {
    it.effect(`answers 404 for the id ${id.slice(0, 40)}`, () =>
      Effect.gen(function* () {
        const { token } = yield* newCaller()
        for (const method of ["GET", "DELETE"]) {
          const answer = yield* send({ method, path: `${path}/${id}`, token })
          assert.strictEqual(answer.status, 404, answer.text)
        }
        const patch = { method: "PATCH", path: `${path}/${id}`, token, json: { name: "a" } }
        assert.strictEqual((yield* send(patch)).status, 404)
      }),
    )
  }
})

/** Creates a user with projects of these names, the last being the newest. */
const withProjects = Effect.fnUntraced(function* (...names: ReadonlyArray<string>) {
  const caller = yield* newCaller()
  for (const name of names) yield* create(caller, { name })
  return caller
})

layer(server(), { excludeTestServices: true })("The list of projects", (it) => {
  it.effect("is sorted newest first, in pages, with the total", () =>
    Effect.gen(function* () {
      const caller = yield* withProjects("a", "b", "c", "d", "e")
      yield* withProjects("of another")
      const all = yield* list(caller)
      assert.deepStrictEqual(namesOf(all), ["e", "d", "c", "b", "a"])
      assert.deepStrictEqual(Object.keys(all).toSorted(), ["items", "limit", "skip", "total"])
      const window = yield* list(caller, "skip=1&limit=2")
      assert.deepStrictEqual(window, {
        items: all.items.slice(1, 3),
        total: 5,
        skip: 1,
        limit: 2,
      } as List)
      assert.deepStrictEqual(yield* list(caller, "skip=5"), {
        items: [],
        total: 5,
        skip: 5,
        limit: 20,
      } as List)
    }),
  )

  it.effect("accepts skip and limit up to their bounds", () =>
    Effect.gen(function* () {
      const caller = yield* withProjects("a")
      for (const query of ["limit=1", "limit=100", "skip=0", "skip=9007199254740991", "sort=x&x"]) {
        yield* list(caller, query)
      }
      for (const [name, ...values] of [
        ["limit", "0", "101", "-1", "1.5", "ten", "", "1e400", "NaN", "%00", "1&limit=2"],
        ["skip", "-1", "1.5", "ten", "9007199254740993", "Infinity"],
      ] as const) {
        for (const value of values) {
          const { field } = yield* issuesOf(caller, `${name}=${value}`)
          assert.strictEqual(field, name)
        }
      }
    }),
  )

  it.effect("reports all invalid query parameters together", () =>
    Effect.gen(function* () {
      const caller = yield* newCaller()
      const { issues } = yield* issuesOf(caller, "limit=0&skip=-1&search=%00")
      const paths = (issues as ReadonlyArray<{ path: string }>).map(({ path }) => path)
      assert.deepStrictEqual(paths.toSorted(), ["limit", "search", "skip"])
    }),
  )

  it.effect("has the same order by cursor, also while it grows", () =>
    Effect.gen(function* () {
      const names = ["a", "b", "c", "d", "e", "f", "g"]
      const caller = yield* withProjects(...names)
      const walked: Array<string> = []
      let cursor: string | null | undefined = ""
      while (typeof cursor === "string") {
        const page: List = yield* list(caller, `limit=3&cursor=${cursor}`)
        assert.deepStrictEqual(Object.keys(page).toSorted(), ["items", "limit", "next_cursor"])
        walked.push(...namesOf(page))
        cursor = page.next_cursor
        yield* create(caller, { name: "later" })
      }
      assert.deepStrictEqual(walked, names.toReversed())
    }),
  )

  it.effect("ends exactly with the last row", () =>
    Effect.gen(function* () {
      const caller = yield* withProjects("a", "b")
      assert.isNull((yield* list(caller, "limit=2&cursor=")).next_cursor)
      const first = yield* list(caller, "limit=1&cursor=")
      assert.isNull((yield* list(caller, `limit=1&cursor=${first.next_cursor}`)).next_cursor)
    }),
  )

  it.effect("refuses a cursor that it did not issue", () =>
    Effect.gen(function* () {
      const caller = yield* newCaller()
      for (const cursor of [
        "x",
        "not+base64",
        "a".repeat(600),
        encoded("nonsense"),
        encoded("2026-11-25T09:30:00.000Z "),
        encoded("2026-13-45T99:99:99.999Z 1"),
        encoded("2026-02-31T09:30:00.000Z 1"),
        encoded("2026-11-25T09:30:00.000Z \u0000"),
        encoded("' OR 1=1 -- 1"),
        "%00%00%00%00%00%00%00%00",
      ]) {
        const { field } = yield* issuesOf(caller, `cursor=${cursor}`)
        assert.strictEqual(field, "cursor", cursor)
      }
    }),
  )

  it.effect("does not show the projects of a cursor's owner to others", () =>
    Effect.gen(function* () {
      const caller = yield* withProjects("a", "b")
      const { next_cursor } = yield* list(caller, "limit=1&cursor=")
      const other = yield* newCaller()
      assert.deepStrictEqual((yield* list(other, `cursor=${next_cursor}`)).items, [])
    }),
  )

  const searches: ReadonlyArray<readonly [text: string, ...found: ReadonlyArray<string>]> = [
    ["engine", "ENGINE", "Engine"],
    ["ENG", "ENGINE", "Engine"],
    [" engine ", "ENGINE", "Engine"],
    ["ÄÖÜ", "äöü"],
    ["ÉCOLE", "école"],
    ["strasse", "Straße"],
    ["ΣΊΣΥΦΟΣ", "Σίσυφος"],
    ["жУк", "Жук"],
    ["100%", "100% sure"],
    ["%", "100% sure"],
    ["_", "snake_case"],
    ["\\", "back\\slash"],
    ["'", "it's"],
    ["😀", "grin 😀"],
    ["absent"],
    ["description of", "described"],
  ]
  it.effect("is searched by name and description, ignoring case by the rules of Unicode", () =>
    Effect.gen(function* () {
      const caller = yield* withProjects(
        "Engine",
        "ENGINE",
        "äöü",
        "école",
        "Straße",
        "Σίσυφος",
        "Жук",
        "100% sure",
        "snake_case",
        "back\\slash",
        "it's",
        "grin 😀",
      )
      yield* create(caller, { name: "described", description: "A Description of it" })
      for (const [text, ...found] of searches) {
        const page = yield* list(caller, `search=${encodeURIComponent(text)}`)
        assert.deepStrictEqual(namesOf(page), found, text)
        assert.strictEqual(page.total, found.length)
        const walked = yield* list(caller, `cursor=&search=${encodeURIComponent(text)}`)
        assert.deepStrictEqual(namesOf(walked), found, text)
      }
      assert.strictEqual((yield* list(caller, "search=")).total, 13)
      assert.strictEqual((yield* list(caller, "search=%20%20")).total, 13)
    }),
  )

  it.effect("refuses a search text that a database cannot take", () =>
    Effect.gen(function* () {
      const caller = yield* newCaller()
      for (const search of ["%00", "a".repeat(256), encodeURIComponent("😀".repeat(256))]) {
        const { field } = yield* issuesOf(caller, `search=${search}`)
        assert.strictEqual(field, "search")
      }
      yield* list(caller, `search=${encodeURIComponent("😀".repeat(255))}`)
    }),
  )

  it.effect("may contain several projects of one name", () =>
    Effect.gen(function* () {
      const caller = yield* withProjects("same", "same")
      const { items } = yield* list(caller)
      assert.strictEqual(new Set(items.map(({ id }) => id)).size, 2)
    }),
  )

  it.effect("is empty for a new user", () =>
    Effect.gen(function* () {
      const caller = yield* newCaller()
      yield* withProjects("a")
      const answer = yield* send({ path, token: caller.token })
      assert.deepStrictEqual(answer.json, { items: [], total: 0, skip: 0, limit: 20 })
      const id = SecureRandom.uuidV7Unsafe()
      assert.strictEqual((yield* send({ path: `${path}/${id}`, token: caller.token })).status, 404)
    }),
  )
})
