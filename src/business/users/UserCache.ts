import { BoundedMap } from "../../core/BoundedMap.ts"
import type { User, UserId } from "../../domain/users/User.ts"

interface Entry {
  readonly user: User
  readonly readAtMs: number
}

/** The maximum age of an entry on the steady clock: a deactivation takes effect within this time. */
const maxAgeMs = 2000
const maxEntries = 10_000

/**
 * Caches users by id in this process. Its methods are synchronous, because every request calls one. `version` counts
 * drops: a row read before a drop is stale and must not be stored after it.
 */
export class UserCache {
  private readonly entries = new BoundedMap<UserId, Entry>(maxEntries)
  version = 0

  get(id: UserId, nowMs: number): User | undefined {
    const entry = this.entries.get(id)
    return entry !== undefined && nowMs - entry.readAtMs < maxAgeMs ? entry.user : undefined
  }

  /** Stores a user. Take `readAtMs` and `version` before reading the database. */
  set(user: User, readAtMs: number, version: number) {
    if (version !== this.version) return
    this.entries.set(user.id, { user, readAtMs })
  }

  drop(id: UserId) {
    this.version += 1
    this.entries.delete(id)
  }
}
