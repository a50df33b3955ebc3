import * as HeyApi from "./HeyApi.ts"
import * as OpenApiFetch from "./OpenApiFetch.ts"
import type { Answer } from "./Plinth.ts"

// The journey of test/api/Journey.test.ts, with clients generated from the OpenAPI document.
// node journey.ts <client> <base URL> <Ada's token> <Bob's token>

declare const process: { readonly argv: ReadonlyArray<string> }
const [, , name, baseUrl = "", ada = "", bob = ""] = process.argv

const { plinthOf } = name === "hey-api" ? HeyApi : OpenApiFetch
const client = plinthOf(baseUrl, ada)
const other = plinthOf(baseUrl, bob)

const assertSame = (what: string, found: unknown, expected: unknown) => {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(found)}`)
  }
}

/** Returns the body of a success. */
const body = async <A>(call: Promise<Answer<A>>): Promise<A> => {
  const { code, data, status } = await call
  if (data === undefined) throw new Error(`refused: ${status} ${code}`)
  return data
}

/** Returns the status, code and body of a failure. */
const failure = async (call: Promise<Answer<unknown>>) => {
  const { code, data, status } = await call
  return [status, code, data]
}

assertSame("e-mail", (await body(client.me())).email, `${name}@Example.com`)
assertSame("name", (await body(client.rename(" Ada "))).full_name, "Ada")

const project = await body(client.create("  Engine ", "first"))
assertSame("project", project.name, "Engine")
assertSame("created once", await body(client.create("  Engine ", "first")), project)
assertSame("get", await body(client.get(project.id)), project)

assertSame("page", await body(client.list({ limit: 5 })), {
  items: [project],
  total: 1,
  skip: 0,
  limit: 5,
})
const first = await body(client.list({ cursor: "" }))
if (!("next_cursor" in first)) throw new Error("a list with cursor has a next_cursor")
assertSame("first page", first.next_cursor, null)

assertSame("of another user", await failure(other.get(project.id)), [404, "NOT_FOUND", undefined])
assertSame("blank name", await failure(client.create(" ", "second")), [
  422,
  "VALIDATION_ERROR",
  undefined,
])
assertSame("not signed in", await failure(plinthOf(baseUrl, "no").me()), [
  401,
  "AUTHENTICATION_ERROR",
  undefined,
])

assertSame("removed", (await client.remove(project.id)).status, 204)
assertSame("after removal", await failure(client.get(project.id)), [404, "NOT_FOUND", undefined])
assertSame("usage", (await body(client.usage())).api_requests >= 0, true)
