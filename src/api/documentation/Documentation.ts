import { type HttpApi, type HttpApiGroup, OpenApi } from "effect/http-api"
import * as Bounds from "../../domain/Bounds.ts"
import { maxIssues } from "../../domain/Issues.ts"
import { version } from "../../domain/Version.ts"
import { headers, limitHeaders } from "./DocumentedHeaders.ts"
import { describePolicies } from "./DocumentedPolicies.ts"
import { envelope, retryableStatuses } from "../../http/Envelope.ts"

// Adds to the OpenAPI document what the contracts of endpoints do not say: security per path, failures of middlewares
// and of HTTP itself, headers, and an example for every body.

interface JsonSchema {
  readonly [key: string]: unknown
  readonly $ref?: string
  readonly description?: string
  readonly contentSchema?: JsonSchema
  readonly examples?: ReadonlyArray<unknown>
}

interface Operation {
  readonly operationId: string
  readonly parameters: ReadonlyArray<{
    readonly name: string
    readonly in: string
    description?: string
    schema: JsonSchema
  }>
  readonly requestBody?: { readonly content: Record<string, Media> }
  readonly responses: Record<string, Response>
  security: ReadonlyArray<Record<string, ReadonlyArray<string>>>
}

interface Response {
  readonly description: string
  headers?: Record<string, unknown>
  readonly content?: Record<string, Media>
}

interface Media {
  readonly schema: JsonSchema
  example?: unknown
}

interface Document {
  readonly info: Record<string, unknown>
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: {
    readonly schemas: Record<string, JsonSchema>
    readonly securitySchemes: Record<string, unknown>
    headers?: Record<string, unknown>
  }
}

const makeTransform =
  (withPolicies: ReturnType<typeof describePolicies>) => (spec: Record<string, unknown>) => {
    const document = structuredClone(spec) as Document & Record<string, unknown>
    document.info["contact"] = { name: "Plinth" }
    const { components } = document
    components.securitySchemes["bearer"] = {
      type: "http",
      scheme: "bearer",
      bearerFormat: "JWT",
      description: "A JWT from the configured issuer, or from `plinth token mint`.",
    }
    components.headers = headers
    components.schemas["InternalError"] = internalError
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [verb, undocumented] of Object.entries(operations)) {
        const operation = withPolicies(undocumented)
        operations[verb] = operation
        operation.security = securityOf(path)
        dropImpossibleResponses(operation)
        liftAnnotations(operation)
        operation.responses["500"] = {
          description: "InternalError",
          content: {
            "application/json": { schema: { $ref: "#/components/schemas/InternalError" } },
          },
        }
        const isIdempotent = operation.parameters.some(({ name }) => name === "Idempotency-Key")
        const isLimited = "429" in operation.responses
        for (const [status, response] of Object.entries(operation.responses)) {
          describeResponse(status, response, components.schemas)
          if (!path.startsWith("/api/v1/public/")) {
            response.headers = { ...response.headers, ...headerReferences(["Cache-Control"]) }
          }
          if (isIdempotent && status.startsWith("2")) {
            response.headers = {
              ...response.headers,
              ...headerReferences(["Idempotency-Replayed"]),
            }
          }
          if (isLimited)
            response.headers = { ...response.headers, ...headerReferences(limitHeaders) }
        }
        addExamples(operation.requestBody?.content, components.schemas)
        allowUnknownFields(operation.requestBody?.content, components.schemas)
      }
    }
    return document
  }

const securityOf = (path: string) => {
  if (path.endsWith("/public/metrics")) return [{}, { bearer: [] }]
  return path.startsWith("/api/v1/public/") ? [] : [{ bearer: [] }]
}

/**
 * Removes responses that cannot occur. The input middleware wraps every endpoint but can refuse only the input that
 * the endpoint takes. 400 stays everywhere: any request can be malformed HTTP.
 */
const dropImpossibleResponses = ({ parameters, requestBody, responses }: Operation) => {
  if (requestBody !== undefined) return
  delete responses["408"]
  delete responses["413"]
  delete responses["415"]
  if (parameters.every((parameter) => parameter.in === "path")) delete responses["422"]
}

/** Moves the description of a parameter out of its schema, and documents an integer as an integer, not as a string. */
const liftAnnotations = ({ parameters }: Operation) => {
  for (const parameter of parameters) {
    const { contentSchema, description, ...schema } = parameter.schema
    if (description !== undefined) parameter.description = description
    parameter.schema = contentSchema ?? schema
  }
}

const describeResponse = (
  status: string,
  response: Response,
  schemas: Record<string, JsonSchema>,
) => {
  const names = [
    "X-Request-ID",
    "X-API-Version",
    "X-API-Latest-Version",
    ...(status === "401" ? ["WWW-Authenticate"] : []),
    ...(retryableStatuses.has(Number(status)) ? ["Retry-After"] : []),
  ]
  response.headers = headerReferences(names)
  addExamples(response.content, schemas)
}

const headerReferences = (names: ReadonlyArray<string>) =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))

const addExamples = (
  content: Record<string, Media> | undefined,
  schemas: Record<string, JsonSchema>,
) => {
  for (const media of Object.values(content ?? {})) media.example = exampleOf(media.schema, schemas)
}

/** Allows unknown fields in request bodies, because the server ignores them. */
const allowUnknownFields = (
  content: Record<string, Media> | undefined,
  schemas: Record<string, JsonSchema>,
) => {
  for (const { schema } of Object.values(content ?? {})) {
    const name = schema.$ref?.split("/").at(-1)
    if (name === undefined) continue
    const {
      additionalProperties: _additionalProperties,
      title: _title,
      ...rest
    } = schemas[name] ?? {}
    schemas[name] = rest
  }
}

/** Returns the first example of a schema, or builds one from the examples of its parts. */
const exampleOf = (schema: JsonSchema, schemas: Record<string, JsonSchema>): unknown => {
  const exampleOfPart = (part: unknown) => exampleOf(part as JsonSchema, schemas)
  if (schema.examples !== undefined) return schema.examples[0]
  if (schema.$ref !== undefined)
    return exampleOfPart(schemas[schema.$ref.split("/").at(-1) ?? ""] ?? {})
  if ("const" in schema) return schema["const"]
  if (Array.isArray(schema["enum"])) return schema["enum"][0]
  const [first] = [schema["anyOf"], schema["oneOf"], schema["allOf"]].flatMap(
    (parts) => parts ?? [],
  )
  if (first !== undefined) return exampleOfPart(first)
  switch (schema["type"]) {
    case "object":
      return Object.fromEntries(
        Object.entries(schema["properties"] ?? {}).map(([name, part]) => [
          name,
          exampleOfPart(part),
        ]),
      )
    case "array":
      return [exampleOfPart(schema["items"])]
    case "boolean":
      return true
    case "integer":
    case "number":
      return Math.max(1, Number(schema["minimum"] ?? 1))
    case "null":
      return null
    default:
      return "text"
  }
}

const internalError = {
  type: "object",
  properties: {
    error: {
      type: "object",
      properties: {
        code: { type: "string", enum: ["INTERNAL_ERROR"] },
        message: { type: "string" },
        details: { type: "object" },
      },
      required: ["code", "message", "details"],
    },
  },
  required: ["error"],
  examples: [envelope("INTERNAL_ERROR", "Internal error")],
}

export const documentationOf = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
) =>
  OpenApi.annotations({
    title: "Plinth API",
    version,
    summary: "The backend of a SaaS product",
    description: `A versioned REST API. Every failure has the form \`{error: {code, message, details}}\`, and every response has an \`X-Request-ID\` header. Text is trimmed, then measured in code points. Unknown fields and query parameters are ignored. A 422 lists the first ${maxIssues} issues; \`details.more\` is the number of further ones. A body may have at most ${Bounds.formatNumber(Bounds.json.maxValues)} values and ${Bounds.json.maxDepth} levels of nesting. A body that stalls for ${Bounds.bodyIdleSeconds} seconds is refused with 408.`,
    license: { name: "MIT", identifier: "MIT" },
    servers: [{ url: "/", description: "This server" }],
    transform: makeTransform(describePolicies(api)),
  })
