import { type Clock, Context, Effect, Layer } from "effect"
import { Database } from "../../core/sql/Database.ts"
import { JobQueue } from "../../core/jobs/Queue.ts"
import { Metrics } from "../../core/telemetry/Metrics.ts"
import { PubSub } from "../../core/shared/PubSub.ts"
import { currentSteadyMillis } from "../../core/SteadyClock.ts"
import {
  type AuthorizationError,
  type ConflictError,
  NotFoundError,
  type ReadError,
  type ServiceUnavailableError,
} from "../../domain/Errors.ts"
import { now, type Timestamp } from "../../domain/Fields.ts"
import type { Identity } from "../../domain/users/Identity.ts"
import type { Page } from "../../domain/Page.ts"
import {
  type AdminUserPatch,
  type CurrentUser,
  type Role,
  type User,
  UserId,
  type UserPatch,
} from "../../domain/users/User.ts"
import { type Actor, Audit } from "../audit/Audit.ts"
import * as SignIn from "./SignIn.ts"
import { UserCache } from "./UserCache.ts"
import * as UserChange from "./UserChange.ts"
import { emailKey, type UsersQuery, UsersRepo } from "./UsersRepo.ts"

type Refused = ConflictError | AuthorizationError | ReadError

interface UserCreate {
  /** The `sub` of the user's tokens. */
  readonly id: UserId
  readonly email: string | null
  readonly full_name: string | null
  readonly role: Role
}

/** The channel for the ids of users whose row has changed. */
const changedUsersChannel = "users"

/** Signs users in and changes them. Enforces who may change whom. */
export class Users extends Context.Service<
  Users,
  {
    /**
     * Returns the active user of a verified token, and creates them at their first request. Refuses a deactivated user,
     * and a new one whose e-mail belongs to another user. The result is at most 2 s behind the database; an `Exit` if
     * the user is cached.
     */
    readonly resolve: (
      identity: Identity,
      clock: Clock.Clock,
    ) => Effect.Effect<User, ConflictError | AuthorizationError | ServiceUnavailableError>
    readonly get: (id: UserId) => Effect.Effect<User, ReadError>
    /** Like `get`, from a cache that is at most 2 s behind the database. */
    readonly getCached: (id: UserId) => Effect.Effect<User, ReadError>
    readonly getByEmail: (email: string) => Effect.Effect<User, ReadError>
    readonly list: (query: UsersQuery) => Effect.Effect<Page<User>, ServiceUnavailableError>
    /** Changes the fields that users may change themselves. */
    readonly update: (id: UserId, patch: UserPatch) => Effect.Effect<User, ReadError>
    /** Closes the caller's account. Fails with a conflict for the last active admin. */
    readonly deactivateSelf: (
      user: CurrentUser["Service"],
    ) => Effect.Effect<void, ConflictError | ReadError>
    readonly updateAsAdmin: (
      actor: Actor,
      id: UserId,
      patch: AdminUserPatch,
    ) => Effect.Effect<User, Refused>
    readonly activate: (actor: Actor, id: UserId) => Effect.Effect<User, Refused>
    readonly deactivate: (actor: Actor, id: UserId) => Effect.Effect<User, Refused>
    /** Creates a user before their first sign-in. For operators. */
    readonly create: (
      input: UserCreate,
    ) => Effect.Effect<User, ConflictError | ServiceUnavailableError>
    /**
     * Moves a user and all their data to another `sub`. For operators. Fails with a conflict when that `sub` already
     * has a user.
     */
    readonly relink: (from: UserId, to: UserId) => Effect.Effect<User, ConflictError | ReadError>
  }
>()("plinth/business/users/Users") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const repo = yield* UsersRepo
      const audit = yield* Audit
      const { transaction } = yield* Database
      const { publish, subscribe } = yield* PubSub
      const jobs = yield* JobQueue
      const metrics = yield* Metrics
      const cache = new UserCache()
      yield* subscribe(changedUsersChannel, (id) => cache.drop(UserId.make(id)))

      /** Drops the user from the caches of all processes. Before the commit, a reader could cache the old row again. */
      const dropAfterCommit = (id: UserId) => repo.afterCommit(publish(changedUsersChannel, id))

      const getCached = (id: UserId) =>
        Effect.flatMapEager(currentSteadyMillis, (readAtMs) => {
          const user = cache.get(id, readAtMs)
          metrics.cacheLookup("users", user !== undefined)
          if (user !== undefined) return Effect.succeed(user)
          const { version } = cache
          return Effect.tap(repo.get(id), (found) =>
            Effect.sync(() => cache.set(found, readAtMs, version)),
          )
        })

      const getByEmail = Effect.fn("Users.getByEmail")(function* (email: string) {
        const user = yield* repo.findByEmail(email)
        return user ?? (yield* new NotFoundError({ resource: "User", id: email }))
      })

      const update = Effect.fn("Users.update")(
        function* (id: UserId, patch: UserPatch) {
          const user = yield* repo.update(id, patch)
          yield* dropAfterCommit(id)
          return user
        },
        Effect.catchTag("ConflictError", Effect.die),
      )

      /** Writes a change and its audit rows, unless `check` returns an error. */
      const change = Effect.fnUntraced(function* <E>(
        actor: Actor,
        id: UserId,
        patch: AdminUserPatch & { readonly closed_at?: Timestamp },
        check: (state: UserChange.UserChangeState) => E | undefined,
      ) {
        const admins = yield* repo.lockAdmins
        const target = yield* repo.lock(id)
        const refusal = check({ admins, target, patch })
        if (refusal !== undefined) return yield* Effect.fail(refusal)
        const entries = UserChange.auditEntriesOf(target, patch)
        if (entries.length === 0) return target
        // A reactivated account is no longer closed.
        const columns = patch.is_active === true ? { ...patch, closed_at: null } : patch
        const user = yield* Effect.catchTag(repo.update(id, columns), "ConflictError", Effect.die)
        yield* Effect.forEach(entries, (entry) => audit.record(actor, entry), { discard: true })
        yield* dropAfterCommit(id)
        return user
      }, transaction)

      const updateAsAdmin = Effect.fn("Users.updateAsAdmin")(
        (actor: Actor, id: UserId, patch: AdminUserPatch) =>
          change(actor, id, patch, (state) => UserChange.refusalOf(actor, state)),
      )

      const deactivateSelf = Effect.fn("Users.deactivateSelf")((user: CurrentUser["Service"]) =>
        Effect.flatMap(now, (closed_at) =>
          change(user, user.id, { is_active: false, closed_at }, UserChange.lastAdminConflict),
        ),
      )

      const create = Effect.fn("Users.create")(
        function* ({ id, email, full_name, role }: UserCreate) {
          const created_at = yield* now
          const user = yield* repo.insert({
            ...SignIn.newUserDefaults,
            id,
            email,
            email_key: emailKey(email),
            full_name,
            role,
            created_at,
            updated_at: created_at,
          })
          yield* audit.record("operator", {
            action: "user.created",
            description: "Created by an operator",
            resource_type: "User",
            resource_id: id,
            details: { role },
          })
          yield* dropAfterCommit(id)
          return user
        },
        Effect.mapError(UserChange.toEmailTaken),
        transaction,
      )

      const relink = Effect.fn("Users.relink")(function* (from: UserId, to: UserId) {
        yield* repo.lockAdmins
        const user = yield* repo.lock(from)
        if (from === to) return user
        const relinked = yield* repo.rename(user, to)
        yield* jobs.relink(from, to)
        yield* audit.record("operator", {
          action: "user.relinked",
          description: "Moved to another sign-in",
          resource_type: "User",
          resource_id: to,
          details: { from, to },
        })
        yield* dropAfterCommit(from)
        yield* dropAfterCommit(to)
        return relinked
      }, transaction)

      return Users.of({
        resolve: yield* SignIn.make(cache),
        get: repo.get,
        getCached,
        getByEmail,
        list: repo.search,
        update,
        deactivateSelf,
        updateAsAdmin,
        activate: (actor, id) => updateAsAdmin(actor, id, { is_active: true }),
        deactivate: (actor, id) => updateAsAdmin(actor, id, { is_active: false }),
        create,
        relink,
      })
    }),
  )
}
