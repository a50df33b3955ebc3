// @effect-diagnostics asyncFunction:off globalDate:off globalTimers:off -- the baseline is plain async code
import { randomUUIDv7 } from "node:crypto"
import { fastify, type FastifyReply, type FastifyRequest } from "fastify"
import { AccessLog, Counters } from "./FastifyTelemetry.ts"
import { type Decision, FastifyLimit } from "./FastifyLimit.ts"
import { FastifyRedisLimit } from "./FastifyRedisLimit.ts"
import { openPostgres } from "./FastifyPostgres.ts"
import * as schemas from "./FastifySchemas.ts"
import { openSqlite } from "./FastifySqlite.ts"
import type { Awaitable, Project, User } from "./FastifyStore.ts"
import { type Identity, makeVerify } from "./FastifyTokens.ts"

/**
 * The baseline for Plinth: the same requests, hand-written for Fastify with no unnecessary layer. Between
 * two equally natural solutions, it uses the faster one. `FASTIFY_USER_CACHE_MS=0` reads the user on
 * every request, `FASTIFY_TOKEN_MEMORY` is the number of verified tokens that it remembers, and
 * `REDIS_URL` moves the rate limit to Redis.
 */

interface Settings {
  readonly DATABASE_URL: string
  readonly PORT: string
  readonly SECRET_KEY: string
  readonly ENVIRONMENT: string
  readonly FASTIFY_USER_CACHE_MS: string
  readonly FASTIFY_TOKEN_MEMORY?: string
  readonly REDIS_URL?: string
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
const store = settings.DATABASE_URL.startsWith("sqlite:")
  ? openSqlite(settings.DATABASE_URL.slice("sqlite:".length), counters)
  : await openPostgres(settings.DATABASE_URL, counters)
const log = new AccessLog("Plinth", settings.ENVIRONMENT)

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

const memory = Number(settings.FASTIFY_TOKEN_MEMORY ?? 0)
const verify = makeVerify(settings.SECRET_KEY, memory)
const limit =
  settings.REDIS_URL === undefined
    ? new FastifyLimit(1_000_000, 1)
    : new FastifyRedisLimit(settings.REDIS_URL, 1_000_000, 1)
const lifetime = Number(settings.FASTIFY_USER_CACHE_MS)
const users = new Map<string, { readonly user: User; readonly read_at: number }>()

const remember = (user: User | undefined) => {
  if (user !== undefined && lifetime > 0) users.set(user.id, { user, read_at: Date.now() })
  return user
}

const userOf = (id: string): Awaitable<User | undefined> => {
  const known = users.get(id)
  if (known !== undefined && Date.now() - known.read_at < lifetime) return known.user
  const found = store.user(id)
  return found instanceof Promise ? found.then(remember) : remember(found)
}

const errorOf = (code: string, message: string) => ({ error: { code, message, details: {} } })

const refuse = (reply: FastifyReply, status: number, code: string, message: string) => {
  reply.code(status).send(errorOf(code, message))
  return false
}

/** Returns whether the request may continue; if not, it has been answered. */
const admit = (
  request: FastifyRequest,
  reply: FastifyReply,
  identity: Identity,
  user: User | undefined,
  { headers: counted, isAllowed }: Decision,
) => {
  if (user === undefined) return refuse(reply, 401, "AUTHENTICATION_ERROR", "Unknown user")
  reply.headers(counted)
  if (!isAllowed) return refuse(reply, 429, "RATE_LIMIT_EXCEEDED", "Too many requests")
  if (!user.is_active) return refuse(reply, 403, "AUTHORIZATION_ERROR", "Deactivated")
  if (identity.issued_at > (user.last_token_iat ?? 0)) {
    return refuse(reply, 500, "INTERNAL_ERROR", "The bench makes no new logins")
  }
  request.user_id = user.id
  return true
}

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
  const identity = verify(request.headers.authorization)
  if (identity === undefined) {
    refuse(reply, 401, "AUTHENTICATION_ERROR", "Invalid token")
    return
  }
  const user = userOf(identity.sub)
  const decision = limit.take(`${endpoint(request)}:${identity.sub}`, Date.now())
  // Synchronous if possible: an asynchronous hook costs a microtask turn.
  if (user instanceof Promise || decision instanceof Promise) {
    Promise.all([user, decision]).then(
      ([found, taken]) => admit(request, reply, identity, found, taken) && done(),
      done,
    )
  } else if (admit(request, reply, identity, user, decision)) done()
})

app.addHook("onSend", (request, reply, payload, done) => {
  const elapsed = performance.now() - request.started
  counters.finished(request.method, endpoint(request), reply.statusCode, elapsed / 1000)
  log.write(request, endpoint(request), reply.statusCode, elapsed)
  done(null, payload)
})

app.get<{ Querystring: { skip: number; limit: number } }>(
  "/api/v1/app/projects",
  { schema: { querystring: schemas.query, response: { 200: schemas.page } } },
  store.synchronous
    ? (request, reply) => {
        reply.type("application/json").send(store.list(request.user_id ?? "", request.query))
      }
    : (request) => store.list(request.user_id ?? "", request.query),
)

/** Answers immediately on SQLite: a promise costs a microtask turn. */
const answer = (reply: FastifyReply, row: Awaitable<User | Project | undefined>) => {
  if (row instanceof Promise) return row.then((found) => found ?? missing(reply))
  reply.type("application/json").send(row ?? missing(reply))
  return undefined
}

const missing = (reply: FastifyReply) => {
  reply.code(404)
  return errorOf("NOT_FOUND", "No such project")
}

app.get(
  "/api/v1/app/users/me",
  { schema: { response: { 200: schemas.account } } },
  (request, reply) => answer(reply, store.user(request.user_id ?? "")),
)

interface ById {
  readonly Params: { readonly project_id: string }
}

app.get<ById>(
  "/api/v1/app/projects/:project_id",
  { schema: { response: { 200: schemas.project } } },
  (request, reply) => answer(reply, store.get(request.user_id ?? "", request.params.project_id)),
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
  { schema: { body: schemas.input, response: { 201: schemas.project } } },
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

app.patch<ById & { Body: { name?: string; description?: string | null } }>(
  "/api/v1/app/projects/:project_id",
  { schema: { body: schemas.patch, response: { 200: schemas.project } } },
  (request, reply) => {
    const { project_id } = request.params
    const { description, name } = request.body
    if (name === undefined || typeof description !== "string") {
      refuse(reply, 422, "VALIDATION_ERROR", "The bench changes name and description")
      return undefined
    }
    const change = { name: text(name, 1, 255), description: text(description, 0, 2000) }
    if (change.name === undefined || change.description === undefined) {
      refuse(reply, 422, "VALIDATION_ERROR", "Invalid input")
      return undefined
    }
    return answer(
      reply,
      store.update(request.user_id ?? "", project_id, {
        name: change.name,
        description: change.description,
        updated_at: new Date().toISOString(),
      }),
    )
  },
)

await app.listen({ host: "127.0.0.1", port: Number(settings.PORT) })
