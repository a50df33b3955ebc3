// @effect-diagnostics asyncFunction:off globalDate:off globalTimers:off -- the baseline is plain async code
import { createHmac, createSecretKey, randomUUIDv7, timingSafeEqual } from "node:crypto"
import { fastify, type FastifyReply, type FastifyRequest } from "fastify"
import { AccessLog, Counters } from "./FastifyTelemetry.ts"
import { FastifyLimit } from "./FastifyLimit.ts"
import { openStore, type User } from "./FastifyStore.ts"

/**
 * The baseline for Plinth: the same list and create, hand-written for Fastify with no unnecessary
 * layer. Between two equally natural solutions, it uses the faster one. `FASTIFY_USER_CACHE_MS=0`
 * reads the user on every request.
 */

interface Settings {
  readonly DATABASE_URL: string
  readonly PORT: string
  readonly SECRET_KEY: string
  readonly ENVIRONMENT: string
  readonly FASTIFY_USER_CACHE_MS: string
}

declare module "fastify" {
  interface FastifyRequest {
    started: number
    user_id: string | null
  }
}

// A separate server without Settings.
const settings = process.env as NodeJS.ProcessEnv & Settings
const counters = new Counters()
const store = await openStore(settings.DATABASE_URL, counters)
const log = new AccessLog("Plinth", settings.ENVIRONMENT)
const key = createSecretKey(settings.SECRET_KEY, "utf8")

const headers = {
  "x-api-version": "v1",
  "x-api-latest-version": "v1",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
  vary: "Origin",
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}

const decode = (part: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString())
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

const isTime = (value: unknown): value is number => typeof value === "number" && value >= 0

/** Applies the rules of Plinth's `Tokens.verify` for its own issuer. */
const verify = (authorization: string | undefined) => {
  const token =
    authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1]
  if (token === undefined || token.length > 8192 || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return
  const payloadAt = token.indexOf(".") + 1
  const signatureAt = token.lastIndexOf(".") + 1
  const header = decode(token.slice(0, payloadAt - 1))
  const claims = decode(token.slice(payloadAt, signatureAt - 1))
  if (header?.["alg"] !== "HS256" || header["crit"] !== undefined || claims === undefined) return
  const expected = createHmac("sha256", key)
    .update(token.slice(0, signatureAt - 1))
    .digest()
  const signature = Buffer.from(token.slice(signatureAt), "base64url")
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return
  const { iss, exp, nbf, iat, sub, purpose } = claims
  const now = Date.now() / 1000
  if (iss !== "plinth" || !isTime(exp) || exp <= now) return
  if (nbf !== undefined && !(isTime(nbf) && nbf <= now + 5)) return
  if (iat !== undefined && !(isTime(iat) && iat <= now + 5)) return
  if (purpose !== "access" || typeof sub !== "string" || sub === "" || sub.length > 255) return
  return { sub, issued_at: iat ?? 0 }
}

const limit = new FastifyLimit(1_000_000, 1)
const lifetime = Number(settings.FASTIFY_USER_CACHE_MS)
const users = new Map<string, { readonly user: User; readonly read_at: number }>()

const refuse = (reply: FastifyReply, status: number, code: string, message: string) => {
  reply.code(status).send({ error: { code, message, details: {} } })
  return false
}

/** Returns whether the request may continue; if not, it has been answered. */
const authenticate = async (request: FastifyRequest, reply: FastifyReply) => {
  const identity = verify(request.headers.authorization)
  if (identity === undefined) {
    return refuse(reply, 401, "AUTHENTICATION_ERROR", "Invalid token")
  }
  const user = await store.user(identity.sub)
  if (user === undefined) return refuse(reply, 401, "AUTHENTICATION_ERROR", "Unknown user")
  users.set(identity.sub, { user, read_at: Date.now() })
  return admit(request, reply, user, identity.issued_at)
}

const admit = (request: FastifyRequest, reply: FastifyReply, user: User, issued_at: number) => {
  const { headers: counted, isAllowed } = limit.take(`${endpoint(request)}:${user.id}`, Date.now())
  reply.headers(counted)
  if (!isAllowed) return refuse(reply, 429, "RATE_LIMIT_EXCEEDED", "Too many requests")
  if (!user.is_active) return refuse(reply, 403, "AUTHORIZATION_ERROR", "Deactivated")
  if (issued_at > (user.last_token_iat ?? 0)) {
    return refuse(reply, 500, "INTERNAL_ERROR", "The bench makes no new logins")
  }
  request.user_id = user.id
  return true
}

const project = {
  type: "object",
  properties: {
    id: { type: "string" },
    owner_id: { type: "string" },
    name: { type: "string" },
    description: { type: "string", nullable: true },
    created_at: { type: "string" },
    updated_at: { type: "string" },
  },
} as const

const page = {
  type: "object",
  properties: {
    items: { type: "array", items: project },
    total: { type: "integer" },
    skip: { type: "integer" },
    limit: { type: "integer" },
  },
} as const

const query = {
  type: "object",
  properties: {
    skip: { type: "integer", minimum: 0, default: 0 },
    limit: { type: "integer", minimum: 1, maximum: 100, default: 20 },
  },
} as const

const input = {
  type: "object",
  required: ["name"],
  properties: { name: { type: "string" }, description: { type: "string", nullable: true } },
} as const

const app = fastify({
  logger: false,
  keepAliveTimeout: 65_000,
  bodyLimit: 1_048_576,
  genReqId: ({ headers: given }) => {
    const id = given["x-request-id"]
    return typeof id === "string" && /^[A-Za-z0-9._-]{1,128}$/.test(id) ? id : randomUUIDv7()
  },
})

app.decorateRequest("started", 0)
app.decorateRequest("user_id", null)

const endpoint = ({ routeOptions }: FastifyRequest) => routeOptions.url ?? "unmatched"

app.addHook("onRequest", (request, reply, done) => {
  request.started = performance.now()
  counters.started(request.method, endpoint(request))
  reply.headers(headers)
  reply.header("x-request-id", request.id)
  // Synchronous when the user is cached: an asynchronous hook costs a microtask turn.
  const identity = lifetime > 0 ? verify(request.headers.authorization) : undefined
  const known = identity && users.get(identity.sub)
  if (identity && known && Date.now() - known.read_at < lifetime) {
    if (admit(request, reply, known.user, identity.issued_at)) done()
  } else {
    authenticate(request, reply).then((admitted) => admitted && done(), done)
  }
})

app.addHook("onSend", (request, reply, payload, done) => {
  const elapsed = performance.now() - request.started
  counters.finished(request.method, endpoint(request), reply.statusCode, elapsed / 1000)
  log.write(request, endpoint(request), reply.statusCode, elapsed)
  done(null, payload)
})

app.get<{ Querystring: { skip: number; limit: number } }>(
  "/api/v1/app/projects",
  { schema: { querystring: query, response: { 200: page } } },
  store.synchronous
    ? (request, reply) => {
        reply.type("application/json").send(store.list(request.user_id ?? "", request.query))
      }
    : (request) => store.list(request.user_id ?? "", request.query),
)

const text = (value: string, min: number, max: number) => {
  const trimmed = value.trim()
  if (trimmed.includes("\0") || !trimmed.isWellFormed()) return undefined
  let length = 0
  for (const _ of trimmed) length += 1
  return length < min || length > max ? undefined : trimmed
}

app.post<{ Body: { name: string; description?: string | null } }>(
  "/api/v1/app/projects",
  { schema: { body: input, response: { 201: project } } },
  async (request, reply) => {
    const name = text(request.body.name, 1, 255)
    const given = request.body.description ?? null
    const description = given === null ? null : text(given, 0, 2000)
    if (name === undefined || description === undefined) {
      refuse(reply, 422, "VALIDATION_ERROR", "Invalid input")
      return reply
    }
    const created_at = new Date().toISOString()
    reply.code(201)
    return store.insert({
      id: randomUUIDv7(),
      owner_id: request.user_id ?? "",
      name,
      description,
      created_at,
      updated_at: created_at,
    })
  },
)

await app.listen({ host: "127.0.0.1", port: Number(settings.PORT) })
