import { Context, type Schema } from "effect"
import { HttpApi, type HttpApiEndpoint, type HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { BodyPolicy, Deprecation, OnHotPath, Policies } from "../../http/Policies.ts"
import { Authentication } from "../middleware/Authentication.ts"
import { Idempotency } from "../middleware/Idempotency.ts"
import { Input } from "../middleware/Input.ts"
import { Observation } from "../middleware/Observation.ts"
import { Quota } from "../middleware/Quota.ts"

/** An endpoint of the contract, and why it is not on the hot path; null if it is (`http/hot/HotPath.ts`). */
export interface HotEndpoint {
  readonly endpoint: HttpApiEndpoint.Top
  readonly group: HttpApiGroup.Top
  readonly annotations: Context.Context<never>
  /** The only response of a success. Undefined if there are several. */
  readonly success: { readonly status: number; readonly schema: Schema.Top } | undefined
  readonly errors: ReadonlyArray<{ readonly status: number; readonly schema: Schema.Top }>
  readonly obstacle: string | null
}

/** The middlewares whose work `HotHttp` does. An endpoint with any other is not on the hot path. */
const knownMiddlewares = new Set<unknown>([
  Observation,
  Authentication,
  Policies,
  Input,
  Idempotency,
  Quota,
])

type Reflected = Parameters<Parameters<typeof HttpApi.reflect>[1]["onEndpoint"]>[0]

const obstacleOf = ({ endpoint, mergedAnnotations, middleware, successes }: Reflected) => {
  const annotation = <A>(key: Context.Reference<A>) => Context.get(mergedAnnotations, key)
  const unknown = Array.from(middleware).find((one) => !knownMiddlewares.has(one))
  const responses = responsesOf(successes)
  if (!annotation(OnHotPath)) return "annotated with offHotPath"
  if (unknown !== undefined) return `middleware ${unknown.key}`
  if (!endpoint.middlewares.has(Authentication as never)) return "no signed-in user"
  // A stream is a success without a response of its own.
  if (endpoint.success.size > 1 || responses.length !== 1) return "several responses, or a stream"
  if (responses.some(({ schema }) => HttpApiSchema.isWithHeaders(schema))) return "response headers"
  if (endpoint.headers !== undefined) return "request headers"
  if (annotation(Deprecation) !== null) return "deprecated"
  if (annotation(BodyPolicy).kind !== "json") return "body is not read as JSON"
  return isJsonOnly(endpoint) ? null : "payload is not JSON"
}

const isJsonOnly = ({ payload }: HttpApiEndpoint.Top) =>
  payload.size === 0 ||
  (payload.size === 1 && payload.get("application/json")?.encoding._tag === "Json")

const responsesOf = (byStatus: Reflected["successes"]) =>
  Array.from(byStatus).flatMap(([status, schemas]) => schemas.map((schema) => ({ status, schema })))

/** Returns every endpoint of a contract, in its order. */
export const endpointsOf = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
): ReadonlyArray<HotEndpoint> => {
  const all: Array<HotEndpoint> = []
  HttpApi.reflect(api, {
    onGroup: () => undefined,
    onEndpoint: (reflected) => {
      const { endpoint, errors, group, mergedAnnotations, successes } = reflected
      const [success, ...others] = responsesOf(successes)
      all.push({
        endpoint,
        group,
        annotations: mergedAnnotations,
        success: others.length === 0 ? success : undefined,
        errors: responsesOf(errors),
        obstacle: obstacleOf(reflected),
      })
    },
  })
  return all
}
