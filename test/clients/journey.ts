import createClient from "openapi-fetch"
import type { paths } from "./openapi.d.ts"

// The journey of test/api/Journey.test.ts, with a client that knows the service by its OpenAPI document alone.
// node journey.ts <base URL> <Ada's token> <Bob's token>

declare const process: { readonly argv: ReadonlyArray<string> }
const [, , baseUrl = "", ada = "", bob = ""] = process.argv

const clientOf = (token: string) =>
  createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${token}` } })
const client = clientOf(ada)
const other = clientOf(bob)

const same = (what: string, found: unknown, expected: unknown) => {
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`)
  }
}

/** The body of a success; what the document promises, or an error with what came instead. */
const body = <A>(answer: { data?: A; error?: unknown }): A => {
  if (answer.data === undefined) throw new Error(`refused: ${JSON.stringify(answer.error)}`)
  return answer.data
}

const me = body(await client.GET("/api/v1/app/users/me"))
same("e-mail", me.email, "Ada@Example.com")
const renamed = body(await client.PATCH("/api/v1/app/users/me", { body: { full_name: " Ada " } }))
same("name", renamed.full_name, "Ada")

const project = body(await client.POST("/api/v1/app/projects", { body: { name: "  Engine " } }))
same("project", project.name, "Engine")
const params = { path: { project_id: project.id } }
same("get", body(await client.GET("/api/v1/app/projects/{project_id}", { params })), project)

const page = body(await client.GET("/api/v1/app/projects", { params: { query: { limit: 5 } } }))
if (!("total" in page)) throw new Error("a list without cursor has a total")
same("page", page, { items: [project], total: 1, skip: 0, limit: 5 })
const first = body(await client.GET("/api/v1/app/projects", { params: { query: { cursor: "" } } }))
if (!("next_cursor" in first)) throw new Error("a list with cursor has a next_cursor")
same("first page", first.next_cursor, null)

const hidden = await other.GET("/api/v1/app/projects/{project_id}", { params })
same("another's", [hidden.response.status, hidden.error?.error.code], [404, "NOT_FOUND"])

const refused = await client.POST("/api/v1/app/projects", { body: { name: " " } })
same("blank", [refused.response.status, refused.error?.error.code], [422, "VALIDATION_ERROR"])

const removed = await client.DELETE("/api/v1/app/projects/{project_id}", { params })
same("removed", removed.response.status, 204)
const gone = await client.GET("/api/v1/app/projects/{project_id}", { params })
same("gone", gone.error?.error.code, "NOT_FOUND")
