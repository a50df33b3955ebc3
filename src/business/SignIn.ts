import { Clock, Effect, Exit } from "effect"
import { BoundedMap } from "../core/BoundedMap.ts"
import { Database } from "../core/Database.ts"
import { JobQueue } from "../core/JobQueue.ts"
import { Metrics } from "../core/Metrics.ts"
import * as SingleFlight from "../core/SingleFlight.ts"
import { currentSteadyMillis, steadyMillis } from "../core/SteadyClock.ts"
import {
  AuthorizationError,
  ConflictError,
  type ServiceUnavailableError,
} from "../domain/Errors.ts"
import { now } from "../domain/Fields.ts"
import type { Identity } from "../domain/Identity.ts"
import { SendWelcomeEmail } from "../domain/Job.ts"
import type { User, UserId } from "../domain/User.ts"
import type { UserCache } from "./UserCache.ts"
import { emailKey, UsersRepo } from "./UsersRepo.ts"

type Failure = ConflictError | AuthorizationError | ServiceUnavailableError

/**
 * From what a token says to the user it speaks for. The database is asked once in the lifetime of the cache, and
 * written once for each token: login and e-mail follow the token with the newest `iat`, so that two tokens of one
 * user do not pull an e-mail to and fro.
 */
export const make = Effect.fnUntraced(function* (cache: UserCache) {
  const repo = yield* UsersRepo
  const metrics = yield* Metrics
  const jobs = yield* JobQueue
  const { transaction } = yield* Database
  const alone = yield* SingleFlight.make<User, Failure>()
  const refused = new RefusedEmails()

  const signIn = Effect.fnUntraced(function* (identity: Identity) {
    const { change } = cache
    const read_at = yield* currentSteadyMillis
    const known = yield* repo.find(identity.sub)
    const user = known === undefined ? yield* signUp(identity) : yield* followed(known, identity)
    cache.set(user, read_at, change)
    return user
  })

  /** A mail to who is here for the first time, if he can be written to. */
  const greet = (id: UserId, email: string | null) =>
    email === null ? Effect.void : jobs.enqueue(SendWelcomeEmail, { user_id: id })

  const signUp = Effect.fnUntraced(function* (identity: Identity) {
    const { email, sub } = identity
    const row = newUser(identity, yield* now)
    const inserted = yield* transaction(
      Effect.tap(repo.insertUnlessThere(row), (isNew) => (isNew ? greet(sub, email) : Effect.void)),
    )
    if (inserted) metrics.authEvent("signup", identity.provider)
    const user = yield* repo.find(sub)
    // Neither inserted nor there: what stood in the way is the e-mail.
    return user ?? (yield* new ConflictError({ resource: "User", reason: "email_taken" }))
  })

  /** Whether this token is the first one to count it. */
  const countLogin = Effect.fnUntraced(function* ({ email, id, login_count }: User, iat: number) {
    const counted = yield* repo.countLogin(id, { at: yield* now, iat })
    // Made by an operator, before he came.
    if (counted && login_count === 0) yield* greet(id, email)
    return counted
  }, transaction)

  /** The user after what a newer token brings. */
  const followed = Effect.fnUntraced(function* (user: User, identity: Identity) {
    if (!user.is_active) return user
    const { sub, issued_at } = identity
    const isLogin = isNewer(identity, user)
    if (isLogin && issued_at !== null) {
      const counted = yield* countLogin(user, issued_at)
      if (counted) metrics.authEvent("login", identity.provider)
    }
    const moved = hasNewEmail(identity, user) && !refused.has(identity)
    if (moved && !(yield* changeEmail(user, identity))) {
      refused.add(identity)
      yield* Effect.logWarning("A token's e-mail belongs to another user: the old one stays").pipe(
        Effect.annotateLogs({ user_id: sub }),
      )
    }
    return isLogin || moved ? ((yield* repo.find(sub)) ?? user) : user
  })

  const changeEmail = (user: User, { email }: Identity) =>
    repo.update(user.id, { email, email_key: emailKey(email) }).pipe(
      Effect.as(true),
      Effect.catchTags({
        ConflictError: () => Effect.succeed(false),
        // Relinked in this very moment: there is nothing left to change.
        NotFoundError: () => Effect.succeed(true),
      }),
    )

  const isSettled = (identity: Identity, user: User) =>
    !user.is_active ||
    (!isNewer(identity, user) && (!hasNewEmail(identity, user) || refused.has(identity)))

  return (identity: Identity): Effect.Effect<User, Failure> =>
    Effect.withFiber((fiber) => {
      const user = cache.get(identity.sub, steadyMillis(fiber.getRef(Clock.Clock)))
      const isKnown = user !== undefined && isSettled(identity, user)
      metrics.cacheLookup("users", isKnown)
      return isKnown ? admit(user) : Effect.flatMap(alone(keyOf(identity), signIn(identity)), admit)
    })
})

const admit = (user: User) =>
  user.is_active ? Exit.succeed(user) : Exit.fail(new AuthorizationError({ reason: "deactivated" }))

const keyOf = ({ sub, issued_at, email }: Identity) => `${issued_at}\0${email}\0${sub}`

const isNewer = ({ issued_at }: Identity, { last_token_iat }: User) =>
  issued_at !== null && (last_token_iat === null || issued_at > last_token_iat)

/** An e-mail that an older token still names is not a new one. */
const hasNewEmail = ({ email, issued_at }: Identity, user: User) =>
  email !== null &&
  email !== user.email &&
  (issued_at === null || user.last_token_iat === null || issued_at >= user.last_token_iat)

/** What everybody starts with. */
export const blankUser = {
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

/** His first token is also his first login. */
const newUser = (identity: Identity, created_at: User["created_at"]): User => ({
  ...blankUser,
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

/** Tokens whose e-mail was refused, so that each is tried and logged once and not with every request. */
class RefusedEmails {
  private readonly keys = new BoundedMap<string, true>(maxRefused)

  has(identity: Identity) {
    return this.keys.size > 0 && this.keys.has(keyOf(identity))
  }

  add(identity: Identity) {
    this.keys.set(keyOf(identity), true)
  }
}

const maxRefused = 10_000
