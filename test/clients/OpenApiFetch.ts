import createClient from "openapi-fetch"
import type { paths } from "./openapi.d.ts"
import type { Answer, Plinth } from "./Plinth.ts"

/** By openapi-typescript and openapi-fetch. */
export const plinthOf = (baseUrl: string, token: string): Plinth => {
  const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${token}` } })
  return {
    me: () => told(client.GET("/api/v1/app/users/me")),
    rename: (full_name) => told(client.PATCH("/api/v1/app/users/me", { body: { full_name } })),
    create: (name, key) => {
      const params = { header: { "Idempotency-Key": key } }
      return told(client.POST("/api/v1/app/projects", { body: { name }, params }))
    },
    get: (project_id) =>
      told(client.GET("/api/v1/app/projects/{project_id}", { params: { path: { project_id } } })),
    remove: (project_id) =>
      told(
        client.DELETE("/api/v1/app/projects/{project_id}", { params: { path: { project_id } } }),
      ),
    list: (query) => told(client.GET("/api/v1/app/projects", { params: { query } })),
    usage: () => told(client.GET("/api/v1/app/usage/current-period")),
  }
}

const told = async <A>(
  call: Promise<{
    data?: A
    error?: { readonly error: { readonly code: string } }
    response: Response
  }>,
): Promise<Answer<A>> => {
  const { data, error, response } = await call
  return { status: response.status, data, code: error?.error.code }
}
