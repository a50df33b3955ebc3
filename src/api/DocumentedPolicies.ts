import { Context } from "effect"
import { HttpApi, type HttpApiGroup } from "effect/http-api"
import { statusOf } from "./Envelope.ts"
import { CountsAgainstQuota, Idempotent, RateLimit } from "./Policies.ts"

interface Operation {
  readonly operationId: string
  readonly parameters: ReadonlyArray<unknown>
  readonly responses: Record<string, unknown>
}

/** Makes an operation of the document say what the policies of its endpoint add to it and take from it. */
export const policiesDescribed = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
) => {
  const added = new Map<string, ReadonlyArray<unknown>>()
  const removed = new Map<string, ReadonlyArray<string>>()

  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, group, mergedAnnotations }) => {
      const operationId = `${group.identifier}.${endpoint.identifier}`
      const mode = Context.get(mergedAnnotations, Idempotent)
      added.set(operationId, mode === "transaction" || mode === "claim" ? [idempotencyKey] : [])
      const isExempt = !Context.get(mergedAnnotations, CountsAgainstQuota)
      // A limit of the endpoint itself, as of projects.
      const hasLimit = [...endpoint.error].some(({ ast }) => statusOf(ast) === 402)
      removed.set(operationId, [
        ...(Context.get(mergedAnnotations, RateLimit) === null ? ["429"] : []),
        ...(isExempt && !hasLimit ? ["402"] : []),
      ])
    },
  })

  return <A extends Operation>(operation: A): A => {
    const statuses = removed.get(operation.operationId) ?? []
    return {
      ...operation,
      parameters: [...operation.parameters, ...(added.get(operation.operationId) ?? [])],
      responses: Object.fromEntries(
        Object.entries(operation.responses).filter(([status]) => !statuses.includes(status)),
      ),
    }
  }
}

const idempotencyKey = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description:
    "Any text of your own. The same request with the same key, within 24 hours, has one effect and gets the same answer, with `Idempotency-Replayed: true`. While the first still runs: 409. With another request: 422.",
  schema: { type: "string", minLength: 1, maxLength: 255 },
  example: "0b9ad6a1-4c0f-4f5e-8d6e-3e1f6a5c2b7d",
}
