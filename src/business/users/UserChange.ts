import { AuthorizationError, ConflictError } from "../../domain/Errors.ts"
import {
  type AdminUserPatch,
  rankOf,
  type Role,
  type User,
  type UserId,
} from "../../domain/users/User.ts"
import type { Actor, AuditEntry } from "../audit/Audit.ts"

/** The state that decides whether a user may be changed. Its rows are locked until the change is committed. */
export interface UserChangeState {
  /** The active admins. */
  readonly admins: ReadonlyArray<{ readonly id: UserId; readonly role: Role }>
  readonly target: User
  readonly patch: AdminUserPatch
}

/**
 * Returns the reason why an actor may not make a change, or undefined. The actor's role is read from the database,
 * because it may have changed since the request began.
 */
export const refusalOf = (
  actor: Actor,
  state: UserChangeState,
): AuthorizationError | ConflictError | undefined => {
  if (actor === "operator") return lastAdminConflict(state)
  const { admins, target, patch } = state
  const role = admins.find(({ id }) => id === actor.id)?.role
  if (role === undefined) return new AuthorizationError({ reason: "role_required" })
  const involvesSuperadmin = target.role === "superadmin" || patch.role === "superadmin"
  if (involvesSuperadmin && role !== "superadmin") {
    return new AuthorizationError({ reason: "superadmin_required" })
  }
  if (actor.id === target.id && isDemotion(state)) {
    return new ConflictError({ resource: "User", reason: "own_account" })
  }
  return lastAdminConflict(state)
}

/** Returns a conflict if the change would remove the last active admin, after whom no user could appoint another. */
export const lastAdminConflict = ({
  admins,
  target,
  patch,
}: UserChangeState): ConflictError | undefined => {
  const role = patch.role ?? target.role
  const is_active = patch.is_active ?? target.is_active
  const staysAdmin = is_active && role !== "user"
  return !staysAdmin && admins.length === 1 && admins[0]?.id === target.id
    ? new ConflictError({ resource: "User", reason: "last_admin" })
    : undefined
}

/** Returns one audit entry for each changed aspect. */
export const auditEntriesOf = (target: User, patch: AdminUserPatch): ReadonlyArray<AuditEntry> => {
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

/** Converts a duplicate `email_key` into a conflict that users understand. */
export const toEmailTaken = <E>(error: E | ConflictError): E | ConflictError =>
  error instanceof ConflictError && error.field === "email_key"
    ? new ConflictError({ resource: "User", reason: "email_taken" })
    : error

/** Tests whether the change lowers the role of its target or deactivates it. */
const isDemotion = ({ target, patch }: UserChangeState) =>
  rankOf(patch.role ?? target.role) < rankOf(target.role) ||
  (patch.is_active === false && target.is_active)
