import { AuthorizationError, ConflictError } from "../domain/Errors.ts"
import { type AdminUserPatch, rankOf, type Role, type User, type UserId } from "../domain/User.ts"
import type { Actor, AuditEntry } from "./Audit.ts"

/** What a change of a user is judged by. All of it is locked until the change is made. */
export interface State {
  /** The active ones. */
  readonly admins: ReadonlyArray<{ readonly id: UserId; readonly role: Role }>
  readonly target: User
  readonly patch: AdminUserPatch
}

/**
 * Why an actor may not make a change. His role is the one in the database now: it may have been taken from him since
 * his request began.
 */
export const refusal = (
  actor: Actor,
  state: State,
): AuthorizationError | ConflictError | undefined => {
  if (actor === "operator") return lastAdmin(state)
  const { admins, target, patch } = state
  const role = admins.find(({ id }) => id === actor.id)?.role
  if (role === undefined) return new AuthorizationError({ reason: "role_required" })
  const touchesSuperadmin = target.role === "superadmin" || patch.role === "superadmin"
  if (touchesSuperadmin && role !== "superadmin") {
    return new AuthorizationError({ reason: "superadmin_required" })
  }
  if (actor.id === target.id && isLess(state)) {
    return new ConflictError({ resource: "User", reason: "own_account" })
  }
  return lastAdmin(state)
}

/** Without an active admin nobody could make one. */
export const lastAdmin = ({ admins, target, patch }: State): ConflictError | undefined => {
  const role = patch.role ?? target.role
  const is_active = patch.is_active ?? target.is_active
  const staysAdmin = is_active && role !== "user"
  return !staysAdmin && admins.length === 1 && admins[0]?.id === target.id
    ? new ConflictError({ resource: "User", reason: "last_admin" })
    : undefined
}

/** One audit entry for each thing that changes. */
export const entriesOf = (target: User, patch: AdminUserPatch): ReadonlyArray<AuditEntry> => {
  const { role, is_active, full_name } = patch
  const entries: Array<AuditEntry> = []
  const add = (action: string, description: string, details: AuditEntry["details"] = {}) =>
    entries.push({ action, description, resource_type: "User", resource_id: target.id, details })

  if (role !== undefined && role !== target.role) {
    add("user.role_changed", `Role changed from ${target.role} to ${role}`, {
      from: target.role,
      to: role,
    })
  }
  if (is_active !== undefined && is_active !== target.is_active) {
    if (is_active) add("user.activated", "Activated")
    else add("user.deactivated", "Deactivated")
  }
  if (full_name !== undefined && full_name !== target.full_name) {
    add("user.updated", "Name changed", { fields: ["full_name"] })
  }
  return entries
}

/** A duplicate, told as what it means to people. */
export const emailTaken = <E>(error: E | ConflictError): E | ConflictError =>
  error instanceof ConflictError && error.field === "email_key"
    ? new ConflictError({ resource: "User", reason: "email_taken" })
    : error

/** The change takes away from its target. */
const isLess = ({ target, patch }: State) =>
  rankOf(patch.role ?? target.role) < rankOf(target.role) ||
  (patch.is_active === false && target.is_active)
