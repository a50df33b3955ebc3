import { type Clock, Effect, Exit } from "effect"
import { BoundedMap } from "../../core/BoundedMap.ts"
import { Database } from "../../core/sql/Database.ts"
import { JobQueue } from "../../core/jobs/Queue.ts"
import { Metrics } from "../../core/telemetry/Metrics.ts"
import * as SingleFlight from "../../core/outbound/SingleFlight.ts"
import { currentSteadyMillis, steadyMillis } from "../../core/SteadyClock.ts"
import {
  AuthorizationError,
  ConflictError,
  type ServiceUnavailableError,
} from "../../domain/Errors.ts"
import { now } from "../../domain/Fields.ts"
import type { Identity } from "../../domain/users/Identity.ts"
import { SendWelcomeEmail } from "../../domain/jobs/JobKinds.ts"
import type { User, UserId } from "../../domain/users/User.ts"
import type { UserCache } from "./UserCache.ts"
import { emailKey, UsersRepo } from "./UsersRepo.ts"

type Failure = ConflictError | AuthorizationError | ServiceUnavailableError

/**
 * Returns a function from a token's identity to its user; the result is an `Exit` if the user is cached. It reads the database once per lifetime of a cache entry, and
 * writes once per token. The last login and the e-mail are those of the token with the newest `iat`, so that two tokens
 * of one user do not switch the e-mail back and forth.
 */
export const make = Effect.fnUntraced(function* (cache: UserCache) {
  const repo = yield* UsersRepo
  const metrics = yield* Metrics
  const jobs = yield* JobQueue
  const { transaction } = yield* Database
  const singleFlight = yield* SingleFlight.make<User, Failure>()
  const refusedEmails = new RefusedEmails()

  const signIn = Effect.fnUntraced(function* (identity: Identity) {
    const { version } = cache
    const readAtMs = yield* currentSteadyMillis
    const known = yield* repo.find(identity.sub)
    const user = known === undefined ? yield* signUp(identity) : yield* applyToken(known, identity)
    cache.set(user, readAtMs, version)
    return user
  })

  /** Enqueues a welcome e-mail to a new user, if they have an address. */
  const enqueueWelcome = (id: UserId, email: string | null) =>
    email === null ? Effect.void : jobs.enqueue(SendWelcomeEmail, { user_id: id })

  const signUp = Effect.fnUntraced(function* (identity: Identity) {
    const { email, sub } = identity
    const row = newUser(identity, yield* now)
    const inserted = yield* transaction(
      Effect.tap(repo.insertIfAbsent(row), (isNew) =>
        isNew ? enqueueWelcome(sub, email) : Effect.void,
      ),
    )
    if (inserted) metrics.authEvent("signup", identity.provider)
    const user = yield* repo.find(sub)
    // If the row was not inserted and the id is unknown, the e-mail belongs to another user.
    return user ?? (yield* new ConflictError({ resource: "User", reason: "email_taken" }))
  })

  /** Counts the token's login; false if it was counted before. */
  const countLogin = Effect.fnUntraced(function* ({ email, id, login_count }: User, iat: number) {
    const counted = yield* repo.countLogin(id, { at: yield* now, iat })
    // This is the first login of a user whom an operator created.
    if (counted && login_count === 0) yield* enqueueWelcome(id, email)
    return counted
  }, transaction)

  /** Applies a newer token's login and e-mail, and returns the user. */
  const applyToken = Effect.fnUntraced(function* (user: User, identity: Identity) {
    if (!user.is_active) return user
    const { sub, issued_at } = identity
    const isLogin = isNewer(identity, user)
    if (isLogin && issued_at !== null) {
      const counted = yield* countLogin(user, issued_at)
      if (counted) metrics.authEvent("login", identity.provider)
    }
    const isEmailChanged = hasNewEmail(identity, user) && !refusedEmails.has(identity)
    if (isEmailChanged && !(yield* changeEmail(user, identity))) {
      refusedEmails.add(identity)
      yield* Effect.logWarning(
        "e-mail not changed: the token's e-mail belongs to another user",
      ).pipe(Effect.annotateLogs({ user_id: sub }))
    }
    return isLogin || isEmailChanged ? ((yield* repo.find(sub)) ?? user) : user
  })

  const changeEmail = (user: User, { email }: Identity) =>
    repo.update(user.id, { email, email_key: emailKey(email) }).pipe(
      Effect.as(true),
      Effect.catchTags({
        ConflictError: () => Effect.succeed(false),
        // The user was relinked meanwhile: nothing is left to change.
        NotFoundError: () => Effect.succeed(true),
      }),
    )

  const isUpToDate = (identity: Identity, user: User) =>
    !user.is_active ||
    (!isNewer(identity, user) && (!hasNewEmail(identity, user) || refusedEmails.has(identity)))

  return (identity: Identity, clock: Clock.Clock): Effect.Effect<User, Failure> => {
    const user = cache.get(identity.sub, steadyMillis(clock))
    const isKnown = user !== undefined && isUpToDate(identity, user)
    metrics.cacheLookup("users", isKnown)
    return isKnown
      ? admit(user)
      : Effect.flatMap(singleFlight(tokenKeyOf(identity), signIn(identity)), admit)
  }
})

const admit = (user: User) =>
  user.is_active ? Exit.succeed(user) : Exit.fail(new AuthorizationError({ reason: "deactivated" }))

const tokenKeyOf = ({ sub, issued_at, email }: Identity) => `${issued_at}\0${email}\0${sub}`

const isNewer = ({ issued_at }: Identity, { last_token_iat }: User) =>
  issued_at !== null && (last_token_iat === null || issued_at > last_token_iat)

/** Tests whether the token has another e-mail than the user, and is not older than the token that was stored. */
const hasNewEmail = ({ email, issued_at }: Identity, user: User) =>
  email !== null &&
  email !== user.email &&
  (issued_at === null || user.last_token_iat === null || issued_at >= user.last_token_iat)

/** The initial values of every user. */
export const newUserDefaults = {
  avatar_url: null,
  is_active: true,
  subscription_plan: "free",
  subscription_status: "none",
  stripe_customer_id: null,
  apple_original_transaction_id: null,
  google_purchase_token: null,
  last_login_at: null,
  login_count: 0,
  last_token_iat: null,
  closed_at: null,
} as const

/** A new user's row. The first token also counts as the first login. */
const newUser = (identity: Identity, created_at: User["created_at"]): User => ({
  ...newUserDefaults,
  id: identity.sub,
  email: identity.email,
  email_key: emailKey(identity.email),
  full_name: identity.full_name,
  avatar_url: identity.avatar_url,
  role: identity.role,
  last_login_at: created_at,
  login_count: 1,
  last_token_iat: identity.issued_at,
  created_at,
  updated_at: created_at,
})

/** Tokens whose e-mail was refused, so that each is tried and logged once, not with every request. */
class RefusedEmails {
  private readonly keys = new BoundedMap<string, true>(maxRefusedEmails)

  has(identity: Identity) {
    return this.keys.size > 0 && this.keys.has(tokenKeyOf(identity))
  }

  add(identity: Identity) {
    this.keys.set(tokenKeyOf(identity), true)
  }
}

const maxRefusedEmails = 10_000
