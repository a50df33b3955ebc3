import { assert, layer } from "@effect/vitest"
import { Array, Effect } from "effect"
import {
  assert as check,
  type Arbitrary,
  asyncProperty,
  constantFrom,
  jsonValue,
  oneof,
  string,
  tuple,
} from "fast-check"
import { UserId } from "../../src/domain/users/User.ts"
import type { Caller } from "../fixtures/http/Callers.ts"
import { EveryDatabase } from "../fixtures/http/EveryDatabase.ts"
import { bodies } from "../fixtures/data/Generators.ts"
import { assertBounded, hostileJson } from "../fixtures/data/HostileJson.ts"
import type { Request } from "../fixtures/http/Http.ts"
import { naughtyStrings, percentEncoded } from "../fixtures/data/NaughtyStrings.ts"
import { dialect } from "../TestDatabase.ts"

const projects = "/api/v1/app/projects"
const me = "/api/v1/app/users/me"
const users = "/api/v1/admin/users"

/** True for values that Node can send as a header. */
const isHeader = (text: string) => /^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(text)

interface Tokens {
  readonly user: string
  readonly admin: string
}

/** Requests with this text in each field that may reach the database. */
const stored = (text: string, { admin, user }: Tokens): ReadonlyArray<Request> => {
  const value = percentEncoded(text)
  const headers = isHeader(text) ? { "Idempotency-Key": text, "X-Request-ID": text } : {}
  return [
    { path: projects, token: user, json: { name: text, description: text }, headers },
    { method: "PATCH", path: me, token: user, json: { full_name: text } },
    { path: `${projects}?search=${value}`, token: user },
    { path: `${projects}/${value}`, token: user },
    { path: `${users}?search=${value}&skip=1000`, token: admin },
    { path: `${users}/${value}`, token: admin },
  ]
}

/** Requests with this text in each field that is validated before any statement. */
const validated = (text: string, { admin, user }: Tokens): ReadonlyArray<Request> => {
  const value = percentEncoded(text)
  return [
    { method: "PATCH", path: me, token: user, json: { avatar_url: text } },
    { path: `${projects}?cursor=${value}`, token: user },
    { path: `${projects}?limit=${value}&skip=${value}`, token: user },
    { path: `${users}?role=${value}&is_active=${value}`, token: admin },
    { method: "PATCH", path: `${users}/${value}`, token: admin, json: { full_name: text } },
    { method: "PATCH", path: `${users}/some`, token: admin, json: { role: text } },
  ]
}

/** The project `postgres` tests both databases. The project `sqlite` tests the fields that reach no database. */
const [fields, requestsWith] =
  dialect() === "pg" ? (["stored", stored] as const) : (["validated", validated] as const)

layer(EveryDatabase.layer, { excludeTestServices: true })("Hostile input", (it) => {
  it.effect(
    `hostile text in ${fields} fields never causes a 5xx, and has the same result on every database`,
    () =>
      Effect.gen(function* () {
        const { newCaller, send } = yield* EveryDatabase
        const { token: admin } = yield* newCaller("admin")
        // One user for every 16 texts keeps the searched tables small.
        for (const texts of Array.chunksOf(naughtyStrings, 16)) {
          const { token: user } = yield* newCaller("user")
          for (const text of texts) {
            for (const request of requestsWith(text, { user, admin })) {
              const { status } = yield* send(request)
              assert.isBelow(status, 500, `${request.path}: ${JSON.stringify(text)}`)
            }
          }
          const good = yield* send({ path: projects, token: user, json: { name: "good" } })
          assert.strictEqual(good.status, 201)
        }
      }),
    120_000,
  )

  it.effect(
    "hostile text in a token never causes a 5xx, and has the same result on every database",
    () =>
      Effect.gen(function* () {
        const { send, tokenFor } = yield* EveryDatabase
        for (const text of naughtyStrings) {
          const token = yield* tokenFor(UserId.make(text), text)
          const { status } = yield* send({ path: me, token })
          assert.include([200, 401, 409], status, JSON.stringify(text))
        }
      }),
    60_000,
  )

  for (const { method, path, valid } of bodies) {
    it.effect(
      `no JSON body causes a 5xx of ${method} ${path}`,
      () =>
        Effect.gen(function* () {
          const { newCaller, send } = yield* EveryDatabase
          const caller = yield* newCaller("admin")
          const { token } = caller
          const at = yield* target(path, caller)
          yield* holds(oneof(jsonValue(), mutated(valid)), (json) =>
            Effect.map(send({ method, path: at, token, json }), ({ status }) => {
              assert.isBelow(status, 500)
            }),
          )
          assert.strictEqual((yield* send({ path: me, token })).status, 200)
        }),
      60_000,
    )

    it.effect(
      `any number of issues gets an answer of bounded size from ${method} ${path}`,
      () =>
        Effect.gen(function* () {
          const { newCaller, send } = yield* EveryDatabase
          const caller = yield* newCaller("admin")
          const at = yield* target(path, caller)
          yield* holds(oneof(hostileJson, overwritten(valid)), (json) =>
            Effect.map(
              send({ method, path: at, token: caller.token, json }),
              ({ status, text }) => {
                assert.isBelow(status, 500)
                if (status < 400) return
                const { error } = JSON.parse(text) as Refusal
                assertBounded(text, [error.details])
              },
            ),
          )
        }),
      60_000,
    )

    // Prompts are not stored.
    if (path.startsWith("/api/v1/app/ai/")) continue

    it.effect(
      `text that ${method} ${path} accepts is returned unchanged, apart from trimming`,
      () =>
        Effect.gen(function* () {
          const { newCaller, newProject, send } = yield* EveryDatabase
          const caller = yield* newCaller("superadmin")
          const { token } = caller
          const at = yield* target(path, caller)
          // The path needs a resource that this test cannot create on every database.
          if (at.includes("{")) return
          const project_id = yield* newProject(caller.id)
          const inProject = valid.map((json) =>
            "project_id" in json ? Object.assign({}, json, { project_id }) : json,
          )
          yield* holds(inProject, (json) =>
            Effect.map(send({ method, path: at, token, json }), ({ status, text }) => {
              assert.include([200, 201], status, text)
              const returned = JSON.parse(text) as Readonly<Record<string, unknown>>
              for (const [name, value] of Object.entries(json)) {
                assert.deepStrictEqual(returned[name], trimmed(value), name)
              }
            }),
          )
        }),
      60_000,
    )
  }
})

const trimmed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(trimmed)
  return typeof value === "string" ? value.trim() : value
}

/** Returns the path with ids that exist on every database. */
const target = Effect.fnUntraced(function* (path: string, caller: Caller) {
  const { newCaller, newProject } = yield* EveryDatabase
  const { id } = yield* newCaller("user")
  return path.replace("{id}", id).replace("{project_id}", yield* newProject(caller.id))
})

/** Valid bodies with one member replaced by any value, or with an extra member. */
const mutated = (valid: Arbitrary<Readonly<Record<string, unknown>>>) =>
  tuple(valid, oneof(string({ unit: "binary" }), constantFrom("name", "role")), jsonValue()).map(
    ([body, name, value]) => Object.assign({}, body, { [name]: value }),
  )

/** Valid bodies with some members replaced by hostile values. */
const overwritten = (valid: Arbitrary<Readonly<Record<string, unknown>>>) =>
  tuple(valid, hostileJson, hostileJson).map(([body, ...values]) =>
    Object.fromEntries(
      Object.entries(body).map(([name, value], at) => [name, at < 2 ? values[at] : value]),
    ),
  )

interface Refusal {
  readonly error: { readonly details: Parameters<typeof assertBounded>[1][number] }
}

const holds = <A, R>(
  arbitrary: Arbitrary<A>,
  property: (value: A) => Effect.Effect<void, never, R>,
) =>
  Effect.flatMap(Effect.context<R>(), (context) =>
    Effect.promise(() =>
      check(
        asyncProperty(arbitrary, (value) => Effect.runPromiseWith(context)(property(value))),
        { numRuns: 50 },
      ),
    ),
  )
