import { Context } from "effect"
import { HttpApi, type HttpApiGroup } from "effect/http-api"
import { maxLength } from "../../domain/Bounds.ts"
import { statusOf } from "../../http/Envelope.ts"
import { CountsAgainstQuota, Idempotent, RateLimit } from "../../http/Policies.ts"

interface Operation {
  readonly operationId: string
  readonly parameters: ReadonlyArray<unknown>
  readonly responses: Record<string, unknown>
}

/**
 * Returns a function that documents the policies of an operation's endpoint: it adds the `Idempotency-Key` parameter,
 * and removes the statuses 402 and 429 where they cannot occur.
 */
export const describePolicies = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
) => {
  const addedParameters = new Map<string, ReadonlyArray<unknown>>()
  const removedStatuses = new Map<string, ReadonlyArray<string>>()

  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, group, mergedAnnotations }) => {
      const operationId = `${group.identifier}.${endpoint.identifier}`
      const mode = Context.get(mergedAnnotations, Idempotent)
      addedParameters.set(
        operationId,
        mode === "transaction" || mode === "claim" ? [idempotencyKey] : [],
      )
      const isExempt = !Context.get(mergedAnnotations, CountsAgainstQuota)
      // The endpoint declares a 402 of its own, for example the limit of projects.
      const hasOwnLimit = [...endpoint.error].some(({ ast }) => statusOf(ast) === 402)
      removedStatuses.set(operationId, [
        ...(Context.get(mergedAnnotations, RateLimit) === null ? ["429"] : []),
        ...(isExempt && !hasOwnLimit ? ["402"] : []),
      ])
    },
  })

  return <A extends Operation>(operation: A): A => {
    const statuses = removedStatuses.get(operation.operationId) ?? []
    return {
      ...operation,
      parameters: [...operation.parameters, ...(addedParameters.get(operation.operationId) ?? [])],
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
  description: `A key that you choose: 1 to ${maxLength.idempotencyKey} printable ASCII characters. Repeating the same request with the same key within 24 hours has one effect and returns the same response, with \`Idempotency-Replayed: true\`. While the first request is running, a repeat gets a 409. Another request with the same key gets a 422.`,
  schema: { type: "string", minLength: 1, maxLength: maxLength.idempotencyKey },
  example: "0b9ad6a1-4c0f-4f5e-8d6e-3e1f6a5c2b7d",
}
