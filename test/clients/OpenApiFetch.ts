import createClient from "openapi-fetch"
import type { paths } from "./openapi.d.ts"
import type { Answer, Plinth } from "./Plinth.ts"

/** The client of openapi-typescript and openapi-fetch. */
export const plinthOf = (baseUrl: string, token: string): Plinth => {
  const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${token}` } })
  return {
    me: () => toAnswer(client.GET("/api/v1/app/users/me")),
    rename: (full_name) => toAnswer(client.PATCH("/api/v1/app/users/me", { body: { full_name } })),
    create: (name, key) => {
      const params = { header: { "Idempotency-Key": key } }
      return toAnswer(client.POST("/api/v1/app/projects", { body: { name }, params }))
    },
    get: (project_id) =>
      toAnswer(
        client.GET("/api/v1/app/projects/{project_id}", { params: { path: { project_id } } }),
      ),
    remove: (project_id) =>
      toAnswer(
        client.DELETE("/api/v1/app/projects/{project_id}", { params: { path: { project_id } } }),
      ),
    list: (query) => toAnswer(client.GET("/api/v1/app/projects", { params: { query } })),
    usage: () => toAnswer(client.GET("/api/v1/app/usage/current-period")),
  }
}

const toAnswer = async <A>(
  call: Promise<{
    data?: A
    error?: { readonly error: { readonly code: string } }
    response: Response
  }>,
): Promise<Answer<A>> => {
  const { data, error, response } = await call
  return { status: response.status, data, code: error?.error.code }
}
