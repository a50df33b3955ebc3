import { createClient } from "./generated/client/index.ts"
import * as sdk from "./generated/sdk.gen.ts"
import type { Answer, Plinth } from "./Plinth.ts"

/** The client that @hey-api/openapi-ts generates. */
export const plinthOf = (baseUrl: string, token: string): Plinth => {
  const client = createClient({ baseUrl, auth: token })
  return {
    me: () => toAnswer(sdk.usersMe({ client })),
    rename: (full_name) => toAnswer(sdk.usersUpdateMe({ client, body: { full_name } })),
    create: (name, key) =>
      toAnswer(sdk.projectsCreate({ client, body: { name }, headers: { "Idempotency-Key": key } })),
    get: (project_id) => toAnswer(sdk.projectsGet({ client, path: { project_id } })),
    remove: (project_id) => toAnswer(sdk.projectsRemove({ client, path: { project_id } })),
    list: (query) => toAnswer(sdk.projectsList({ client, query })),
    usage: () => toAnswer(sdk.usageCurrentPeriod({ client })),
  }
}

const toAnswer = async <A>(
  call: Promise<{
    data: A | undefined
    error: { readonly error: { readonly code: string } } | undefined
    response?: Response
  }>,
): Promise<Answer<A>> => {
  const { data, error, response } = await call
  return { status: response?.status, data, code: error?.error.code }
}
