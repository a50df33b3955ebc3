import { Context, Effect, Exit, Schema, type SchemaAST } from "effect"
import { HttpApi, HttpApiError, HttpApiSchema } from "effect/http-api"
import { BadRequestError, type ValidationError } from "../../domain/Errors.ts"
import type { HotRequest } from "../../http/hot/HotPath.ts"
import { toFailure } from "../middleware/InputHttp.ts"
import type { HotEndpoint } from "./HotApi.ts"

const nothing = Exit.succeed(undefined)

type Codec = Schema.Codec<unknown, unknown>

/** A failure of the contract, encoded. */
interface Failure {
  readonly status: number
  readonly text: string
}

/** How the input of an endpoint is decoded, and its output encoded. */
export const codecsOf = ({ annotations, endpoint, errors, success }: HotEndpoint) => {
  const parseOptions = Context.getOrUndefined(annotations, HttpApi.ParseOptions)
  const optionsOf = (slot: Context.Key<unknown, SchemaAST.ParseOptions>) =>
    Context.getOrUndefined(annotations, slot) ?? parseOptions
  const schema = success?.schema as Codec
  const isEmpty = HttpApiSchema.isNoContent(schema.ast)
  const encode = Schema.encodeUnknownExit(schema, optionsOf(HttpApi.SuccessParseOptions))
  const failures = errors.map((error) => ({
    status: error.status,
    is: Schema.is(Schema.toType(error.schema)),
    encode: Schema.encodeUnknownExit(error.schema as Codec, optionsOf(HttpApi.ErrorParseOptions)),
  }))
  const decodeParams =
    endpoint.params &&
    Schema.decodeUnknownExit(endpoint.params as Codec, optionsOf(HttpApi.ParamsParseOptions))
  const decodeQuery =
    endpoint.query &&
    Schema.decodeUnknownExit(
      Schema.toCodecArrayFromSingle(endpoint.query) as Schema.Top as Codec,
      optionsOf(HttpApi.QueryParseOptions),
    )
  const payload = endpoint.payload.get("application/json")
  const decodePayload =
    payload &&
    Schema.decodeUnknownExit(
      Schema.Union(payload.schemas) as Schema.Top as Codec,
      optionsOf(HttpApi.PayloadParseOptions),
    )
  /** Failures that are used again and again, like those of tokens, are encoded once. */
  const texts = new WeakMap<object, Failure>()
  /** Decoded queries by their text, because callers repeat a few. */
  const queries = new Map<string, Exit.Exit<unknown, unknown>>()

  return {
    status: success?.status ?? 200,
    takesPayload: payload !== undefined,
    success: (value: unknown) => (isEmpty ? nothing : encode(value)),
    /** Returns the status and text of a failure of the contract; undefined for any other. */
    error: (error: unknown): Failure | undefined => {
      const known = texts.get(error as object)
      if (known !== undefined) return known
      const failure = failures.find(({ is }) => is(error))
      const encoded = failure?.encode(error)
      if (failure === undefined || encoded === undefined || Exit.isFailure(encoded))
        return undefined
      const made = { status: failure.status, text: JSON.stringify(encoded.value) }
      texts.set(error as object, made)
      return made
    },
    params: ({ params }: HotRequest): Exit.Exit<unknown, unknown> =>
      decodeParams === undefined ? nothing : decodeParams(params),
    query: ({ search, searchParams }: HotRequest): Exit.Exit<unknown, unknown> => {
      if (decodeQuery === undefined) return nothing
      const known = queries.get(search)
      if (known !== undefined) return known
      const decoded = decodeQuery(searchParams())
      if (Exit.isSuccess(decoded) && search.length <= maxQueryLength && queries.size < maxQueries) {
        queries.set(search, decoded)
      }
      return decoded
    },
    payload: (
      body: string | undefined,
    ): Effect.Effect<unknown, BadRequestError | ValidationError> => {
      if (decodePayload === undefined || body === undefined) return nothing
      let value: unknown
      try {
        value = JSON.parse(body)
      } catch {
        return Exit.fail(new BadRequestError({ reason: "Malformed JSON body" }))
      }
      return Effect.catchEager(decodePayload(value), (cause) =>
        toFailure(new HttpApiError.HttpApiSchemaError({ kind: "Payload", cause })),
      )
    },
  }
}

/** The queries that each endpoint remembers. */
const maxQueries = 256
const maxQueryLength = 64
