import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { appApi } from "../../src/api/Audiences.ts"
import { documentationOf } from "../../src/api/documentation/Documentation.ts"
import { enveloped } from "../../src/http/Envelope.ts"
import { exemptFromQuota } from "../../src/http/Policies.ts"
import { QuotaExceededError } from "../../src/domain/Errors.ts"
import { server } from "../fixtures/http/Callers.ts"
import { document as known } from "../fixtures/http/Conformance.ts"
import { send } from "../fixtures/http/Http.ts"

interface Media {
  readonly example?: unknown
}

interface Operation {
  readonly operationId?: string
  readonly summary?: string
  readonly description?: string
  readonly parameters?: ReadonlyArray<{ readonly name: string }>
  readonly security?: ReadonlyArray<object>
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> }
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly content?: Readonly<Record<string, Media>>
        readonly headers?: Readonly<Record<string, unknown>>
      }
    >
  >
}

interface Document {
  readonly openapi: string
  readonly info: { readonly version: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

const served = Effect.map(send({ path: "/api/v1/openapi.json" }), (answer) => {
  assert.strictEqual(answer.status, 200)
  return answer.json as Document
})

const operationsOf = ({ paths }: Document) =>
  Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ path, method, operation })),
  )

layer(server(), { excludeTestServices: true })("The OpenAPI document", (it) => {
  it.effect("is served as openapi.json, in version 3.1", () =>
    Effect.gen(function* () {
      const document = yield* served
      assert.match(document.openapi, /^3\.1\.\d+$/)
      assert.deepStrictEqual(document as unknown, known)
    }),
  )

  it.effect("has a summary, a description and an example of every body for each operation", () =>
    Effect.gen(function* () {
      const operations = operationsOf(yield* served)
      const ids = operations.map(({ operation }) => operation.operationId)
      assert.strictEqual(new Set(ids).size, operations.length)
      for (const { method, operation, path } of operations) {
        const what = `${method} ${path}`
        assert.match(operation.summary ?? "", /\S/, what)
        assert.match(operation.description ?? "", /\S/, what)
        const answers = Object.values(operation.responses)
        const media = [operation.requestBody, ...answers].flatMap((part) =>
          Object.values(part?.content ?? {}),
        )
        assert.deepStrictEqual(
          media.filter(({ example }) => example === undefined),
          [],
          what,
        )
      }
    }),
  )

  it.effect("lists every failure that the middleware can answer", () =>
    Effect.gen(function* () {
      for (const { method, operation, path } of operationsOf(yield* served)) {
        const signedIn = ["401", "403", "409", "429", "503"]
        const expected = [
          "400",
          "500",
          ...(path.includes("/public/") ? [] : signedIn),
          ...(operation.requestBody === undefined ? [] : ["413", "415", "422"]),
          ...(path.includes("{") ? ["404"] : []),
        ]
        assert.match(path, /^\/api\/v1\/(?:public|app|admin)\//)
        assert.includeMembers(Object.keys(operation.responses), expected, `${method} ${path}`)
        assert.strictEqual((operation.security ?? []).length > 0, !isOpen(path), path)
        for (const { headers } of Object.values(operation.responses)) {
          assert.includeMembers(Object.keys(headers ?? {}), ["X-Request-ID", "X-API-Version"])
        }
      }
    }),
  )

  it.effect("lists 402 for exactly the operations that a spent plan closes", () =>
    Effect.gen(function* () {
      for (const { operation, path } of operationsOf(yield* served)) {
        const isClosed =
          path.startsWith("/api/v1/app/") && !/^\/api\/v1\/app\/(?:users|usage)\//.test(path)
        assert.strictEqual("402" in operation.responses, isClosed, path)
      }
      class Exempt extends HttpApi.make("exempt").addHttpApi(
        appApi(
          HttpApiGroup.make("gifts")
            .add(HttpApiEndpoint.get("open", "/open", { success: Schema.String }))
            .add(
              HttpApiEndpoint.get("limited", "/limited", {
                success: Schema.String,
                error: enveloped(QuotaExceededError),
              }),
            )
            .annotateMerge(exemptFromQuota),
        ),
      ) {}
      const { paths } = OpenApi.fromApi(Exempt.annotateMerge(documentationOf(Exempt)))
      assert.notProperty(paths["/app/open"]?.get?.responses, "402")
      assert.property(paths["/app/limited"]?.get?.responses, "402")
    }),
  )

  it.effect("describes rate limits for exactly the operations that have one", () =>
    Effect.gen(function* () {
      const limits = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]
      for (const { operation, path } of operationsOf(yield* served)) {
        const isCounted = !isOpen(path) && !path.endsWith("/public/metrics")
        assert.strictEqual("429" in operation.responses, isCounted, path)
        for (const { headers } of Object.values(operation.responses)) {
          const named = Object.keys(headers ?? {}).filter((name) => limits.includes(name))
          assert.deepStrictEqual(named, isCounted ? limits : [], path)
        }
        const refused = Object.keys(operation.responses["429"]?.headers ?? {})
        if (isCounted) assert.include(refused, "Retry-After")
      }
    }),
  )

  it.effect("has an Idempotency-Key on every POST that creates or charges, and on no other", () =>
    Effect.gen(function* () {
      for (const { method, operation, path } of operationsOf(yield* served)) {
        const { 200: charged, 201: created, 202: accepted = created } = operation.responses
        const answered = accepted ?? (path.startsWith("/api/v1/app/ai/") ? charged : undefined)
        const creates = method === "post" && answered !== undefined
        const names = (operation.parameters ?? []).map(({ name }) => name)
        assert.strictEqual(names.includes("Idempotency-Key"), creates, `${method} ${path}`)
        if (!creates) continue
        assert.include(Object.keys(answered.headers ?? {}), "Idempotency-Replayed")
      }
    }),
  )

  it.effect("has a documentation page that loads nothing from other hosts", () =>
    Effect.gen(function* () {
      const { headers, status, text } = yield* send({ path: "/docs" })
      assert.strictEqual(status, 200)
      assert.match(headers["content-type"] ?? "", /^text\/html/)
      const loaded = text.matchAll(
        /<(?:script|link|img|iframe|base|form)\b[^>]*\b(?:src|href|action)=["']?([^"'\s>]+)/g,
      )
      assert.deepStrictEqual(
        [...loaded]
          .map(([, address]) => address)
          .filter((address) => !address?.startsWith("data:")),
        [],
      )
      assert.notMatch(text.slice(-2000), /https?:\/\//)
      const policy = headers["content-security-policy"] ?? ""
      assert.match(policy, /^default-src 'none';/)
      assert.match(policy, /connect-src 'self'/)
      assert.notMatch(policy, /https?:|\*/)
    }),
  )
})

const isOpen = (path: string) => path.includes("/public/health")
