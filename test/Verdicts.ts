import type { Methods } from "../src/rpc/RpcClient.ts"

/**
 * Permissions: every operation of REST, every method of RPC and every command of the CLI, for every kind of caller.
 * `owner` is the user whom the id in the path names, or whose resource it names; `other` is another user; `service` has
 * RPC_TOKEN. The operator has the machine, with its settings and database. An operation without a row fails the suite.
 */

export const callers = [
  "owner",
  "other",
  "anonymous",
  "admin",
  "superadmin",
  "deactivated",
  "service",
] as const

/** Ids of the owner, of one resource of each kind that they own, and of a job, by the name of their path parameter. */
export type Ids = Readonly<Record<string, string>>

type Body = object | ((ids: Ids) => object)

export interface Verdict {
  /** The status for each kind of caller. */
  readonly statuses: Readonly<Record<(typeof callers)[number], number>>
  /** A valid body. */
  readonly body?: Body
  /** The required query. */
  readonly query?: string
}

/** The resources that a user can own, and the request that creates each, in the order of creation. */
export const owned: Readonly<Record<string, { readonly path: string; readonly body: Body }>> = {
  project_id: { path: "/api/v1/app/projects", body: { name: "Engine" } },
}

export const bodyFor = (body: Body, ids: Ids) => (typeof body === "function" ? body(ids) : body)

const everyone = (status: number): Verdict => ({
  statuses: {
    owner: status,
    other: status,
    anonymous: status,
    admin: status,
    superadmin: status,
    deactivated: status,
    service: status,
  },
})

/** Operations of active users on their own data. */
const activeUsers = (status: number, body?: Body): Verdict => ({
  statuses: { ...everyone(status).statuses, anonymous: 401, deactivated: 403, service: 401 },
  ...(body !== undefined && { body }),
})

/** Operations that answer 404 to all other users, admins included. */
const ownerOnly = (status: number, body?: Body): Verdict => ({
  statuses: { ...activeUsers(404).statuses, owner: status },
  ...(body !== undefined && { body }),
})

const adminsOnly = (status: number, body?: Body): Verdict => ({
  statuses: { ...activeUsers(status).statuses, owner: 403, other: 403 },
  ...(body !== undefined && { body }),
})

/** The verdicts by operation id: group and endpoint. */
export const verdicts: Readonly<Record<string, Verdict>> = {
  "health.live": everyone(200),
  "health.ready": everyone(200),
  "health.metrics": everyone(200),

  "users.me": activeUsers(200),
  "users.updateMe": activeUsers(200, { full_name: "Ada" }),
  "users.exportMe": activeUsers(202),
  "users.myExport": activeUsers(404),
  "users.removeMe": activeUsers(204),

  "projects.list": activeUsers(200),
  "projects.create": activeUsers(201, { name: "Engine" }),
  "projects.get": ownerOnly(200),
  "projects.update": ownerOnly(200, { name: "Engine" }),
  "projects.remove": ownerOnly(204),

  "ai.status": activeUsers(200),
  "ai.complete": activeUsers(200, { messages: [{ role: "user", content: "Hello" }] }),
  "ai.chat": activeUsers(200, { prompt: "Hello" }),
  "ai.routed": activeUsers(200, { prompt: "Hello" }),
  "usage.currentPeriod": activeUsers(200),
  "usage.summary": activeUsers(200),
  "usage.trends": { ...activeUsers(200), query: "metric=ai_tokens" },
  "usage.daily": { ...activeUsers(200), query: "metric=ai_tokens" },
  "usage.breakdown": { ...activeUsers(200), query: "metric=ai_tokens" },
  "usage.metrics": activeUsers(200),

  "adminUsers.list": adminsOnly(200),
  "adminUsers.get": adminsOnly(200),
  "adminUsers.update": adminsOnly(200, { full_name: "Ada" }),
  "adminUsers.activate": adminsOnly(200),
  "adminUsers.deactivate": adminsOnly(200),

  "adminJobs.list": adminsOnly(200),
  "adminJobs.stats": adminsOnly(200),
  "adminJobs.get": adminsOnly(200),
  // The job is waiting: only a failed or cancelled job can be retried.
  "adminJobs.retry": adminsOnly(409),
  "adminJobs.cancel": adminsOnly(200),

  "adminUsage.summary": adminsOnly(200),
  "adminUsage.trends": { ...adminsOnly(200), query: "metric=ai_tokens" },
  "adminUsage.daily": { ...adminsOnly(200), query: "metric=ai_tokens" },
  "adminUsage.breakdown": { ...adminsOnly(200), query: "metric=ai_tokens" },
  "adminUsage.topUsers": { ...adminsOnly(200), query: "metric=ai_tokens" },
  "adminUsage.metrics": adminsOnly(200),
}

/** A method of RPC: a valid input, and its outcome for a service. All other callers are refused. */
export interface MethodVerdict {
  readonly input: Body
  /** "success", or the code of a failure. */
  readonly outcome: string
}

const served = (input: Body = {}, outcome = "success"): MethodVerdict => ({ input, outcome })

/** An input that names the owner in this field. */
const about = (name: string, more: object = {}) =>
  served((ids) => ({ [name]: ids["user_id"], ...more }))

const ownProject = (more: object = {}) =>
  served(({ project_id, user_id }) => ({ owner_id: user_id, id: project_id, ...more }))

const ownJob = (outcome?: string) => served(({ job_id }) => ({ id: job_id }), outcome)

const metric = { metric: "ai_tokens" }
const messages = [{ role: "user", content: "Hello" }]

export const methods: Readonly<Record<Methods["_tag"], MethodVerdict>> = {
  "users.list": served(),
  "users.get": about("id"),
  "users.getByEmail": served(({ user_id }) => ({ email: `${user_id}@example.com` })),
  "users.create": served(({ user_id }) => ({ id: `${user_id}-new`, full_name: null })),
  "users.update": about("id", { role: "superadmin" }),
  "users.activate": about("id"),
  "users.deactivate": about("id"),
  "users.relink": served(({ user_id }) => ({ id: user_id, to: `${user_id}-to` })),

  "projects.list": about("owner_id"),
  "projects.listAfter": about("owner_id"),
  "projects.create": about("owner_id", { name: "Engine" }),
  "projects.get": ownProject(),
  "projects.update": ownProject({ name: "Engine" }),
  "projects.remove": ownProject(),

  "usage.currentPeriod": about("user_id"),
  "usage.summary": about("user_id"),
  "usage.trends": about("user_id", metric),
  "usage.daily": about("user_id", metric),
  "usage.breakdown": about("user_id", metric),
  "usage.topUsers": served(metric),
  "usage.metrics": served(),
  "usage.record": about("user_id", { ...metric, source: "render-1", quantity: 1 }),

  "entitlements.get": about("user_id"),
  "entitlements.check": about("user_id", { what: "projects" }),

  "jobs.list": served(),
  "jobs.stats": served(),
  "jobs.get": ownJob(),
  "jobs.enqueue": served({ name: "cleanup_old_data", delay_seconds: 3600 }),
  // The job is waiting: only a failed or cancelled job can be retried.
  "jobs.retry": ownJob("CONFLICT"),
  "jobs.cancel": ownJob(),

  "email.welcome": about("user_id"),
  "email.passwordReset": about("user_id", { token: "3f1e", expires_in_minutes: 30 }),
  "email.notify": about("user_id", { title: "Ready", body: "It is." }),

  "ai.status": served(),
  "ai.complete": about("user_id", { messages }),
  "ai.stream": about("user_id", { messages }),
}

/** A command: the words after its name, and its exit code for the operator. */
export interface CommandVerdict {
  readonly words: (ids: Ids) => string
  readonly code: number
  /**
   * True: the command works the same on a remote service at PLINTH_URL with a token of its RPC_TOKEN; without one it exits
   * with code 1. False: the command ignores PLINTH_URL.
   */
  readonly remote: boolean
}

const machine = (words = "", code = 0): CommandVerdict => ({
  words: () => words,
  code,
  remote: false,
})

const anywhere = (words: CommandVerdict["words"], code = 0): CommandVerdict => ({
  words,
  code,
  remote: true,
})

const ofUser = (more = "") => anywhere(({ user_id }) => `${user_id} ${more}`.trim())
const ofJob = (more = "", code = 0) => anywhere(({ job_id }) => `${job_id} ${more}`.trim(), code)

export const commands: Readonly<Record<string, CommandVerdict>> = {
  // These two run until they are stopped.
  serve: machine(),
  worker: machine(),
  migrate: machine(),
  "migrate status": machine(),
  "migrate down": machine("--yes"),
  // No migration of that name has run.
  "migrate rename": machine("0010_tasks 1001_tasks", 1),
  doctor: machine(),
  openapi: machine(),
  // No server listens there.
  smoke: machine("http://127.0.0.1:9 --wait 0", 1),
  "token mint": machine("--sub ada"),

  "users list": anywhere(() => ""),
  "users show": ofUser(),
  "users create": anywhere(({ user_id }) => `${user_id}-new`),
  "users promote": ofUser(),
  "users demote": ofUser(),
  "users activate": ofUser(),
  "users deactivate": ofUser("--yes"),
  "users relink": anywhere(({ user_id }) => `${user_id} ${user_id}-to --yes`),

  "jobs list": anywhere(() => ""),
  "jobs show": ofJob(),
  "jobs stats": anywhere(() => ""),
  "jobs enqueue": anywhere(() => "cleanup_old_data --delay 3600"),
  // The job is waiting: only a failed or cancelled job can be retried.
  "jobs retry": ofJob("", 1),
  "jobs cancel": ofJob("--yes"),

  "usage show": ofUser(),
}
