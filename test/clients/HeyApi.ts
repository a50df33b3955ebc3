import { createClient } from "./generated/client/index.ts"
import * as sdk from "./generated/sdk.gen.ts"
import type { Answer, Plinth } from "./Plinth.ts"

/** By @hey-api/openapi-ts. */
export const plinthOf = (baseUrl: string, token: string): Plinth => {
  const client = createClient({ baseUrl, auth: token })
  return {
    me: () => told(sdk.usersMe({ client })),
    rename: (full_name) => told(sdk.usersUpdateMe({ client, body: { full_name } })),
    create: (name, key) =>
      told(sdk.projectsCreate({ client, body: { name }, headers: { "Idempotency-Key": key } })),
    get: (project_id) => told(sdk.projectsGet({ client, path: { project_id } })),
    remove: (project_id) => told(sdk.projectsRemove({ client, path: { project_id } })),
    list: (query) => told(sdk.projectsList({ client, query })),
    usage: () => told(sdk.usageCurrentPeriod({ client })),
  }
}

const told = async <A>(
  call: Promise<{
    data: A | undefined
    error: { readonly error: { readonly code: string } } | undefined
    response?: Response
  }>,
): Promise<Answer<A>> => {
  const { data, error, response } = await call
  return { status: response?.status, data, code: error?.error.code }
}
