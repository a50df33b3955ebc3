import type { Methods } from "../src/rpc/RpcClient.ts"

/**
 * Who may do what: every operation of REST, every method of RPC and every command of the CLI, for every kind of caller.
 * `owner` is whom the id in the path belongs to, or speaks of; `other` another user; `service` has RPC_TOKEN. The
 * operator has the machine, and what it has: the settings and the database. What has no row fails the suite.
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

/** Ids of the owner, of one resource of each kind that he owns, and of a job, by the parameter that names each in paths. */
export type Ids = Readonly<Record<string, string>>

type Body = object | ((ids: Ids) => object)

export interface Verdict {
  /** The status each caller gets. */
  readonly statuses: Readonly<Record<(typeof callers)[number], number>>
  /** A body the operation takes. */
  readonly body?: Body
  /** What it must be asked. */
  readonly query?: string
}

/** What a user can own: how one is made, each after those above it. */
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

/** Each caller does it to himself. */
const activeUsers = (status: number, body?: Body): Verdict => ({
  statuses: { ...everyone(status).statuses, anonymous: 401, deactivated: 403, service: 401 },
  ...(body !== undefined && { body }),
})

/** To everybody else it does not exist, admins included. */
const ownerOnly = (status: number, body?: Body): Verdict => ({
  statuses: { ...activeUsers(404).statuses, owner: status },
  ...(body !== undefined && { body }),
})

const adminsOnly = (status: number, body?: Body): Verdict => ({
  statuses: { ...activeUsers(status).statuses, owner: 403, other: 403 },
  ...(body !== undefined && { body }),
})

/** By group and endpoint, which is the operation's id. */
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
  // The job waits: there is nothing to retry.
  "adminJobs.retry": adminsOnly(409),
  "adminJobs.cancel": adminsOnly(200),

  "adminUsage.summary": adminsOnly(200),
  "adminUsage.trends": { ...adminsOnly(200), query: "metric=ai_tokens" },
  "adminUsage.daily": { ...adminsOnly(200), query: "metric=ai_tokens" },
  "adminUsage.breakdown": { ...adminsOnly(200), query: "metric=ai_tokens" },
  "adminUsage.topUsers": { ...adminsOnly(200), query: "metric=ai_tokens" },
  "adminUsage.metrics": adminsOnly(200),
}

/** A method of RPC: what it takes, and what a service gets for it. Nobody else gets in. */
export interface MethodVerdict {
  readonly input: Body
  /** "success", or the code of a failure. */
  readonly outcome: string
}

const served = (input: Body = {}, outcome = "success"): MethodVerdict => ({ input, outcome })

/** Of the owner, by this name in the input. */
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
  // The job waits: there is nothing to retry.
  "jobs.retry": ownJob("CONFLICT"),
  "jobs.cancel": ownJob(),

  "email.welcome": about("user_id"),
  "email.passwordReset": about("user_id", { token: "3f1e", expires_in_minutes: 30 }),
  "email.notify": about("user_id", { title: "Ready", body: "It is." }),

  "ai.status": served(),
  "ai.complete": about("user_id", { messages }),
  "ai.stream": about("user_id", { messages }),
}

/** A command: its words after its name, and how it exits for the operator. */
export interface CommandVerdict {
  readonly words: (ids: Ids) => string
  readonly code: number
  /**
   * Whether it does the same to a service elsewhere, at PLINTH_URL, with one of its RPC_TOKEN, and for nobody else: exit
   * code 1. A command of the machine does not look at PLINTH_URL.
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
  // These two until they are told to stop.
  serve: machine(),
  worker: machine(),
  migrate: machine(),
  "migrate status": machine(),
  "migrate down": machine("--yes"),
  // None of that name has run.
  "migrate rename": machine("0010_tasks 1001_tasks", 1),
  doctor: machine(),
  openapi: machine(),
  // Nobody is there.
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
  // The job waits: there is nothing to retry.
  "jobs retry": ofJob("", 1),
  "jobs cancel": ofJob("--yes"),

  "usage show": ofUser(),
}
