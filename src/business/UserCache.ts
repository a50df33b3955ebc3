import { BoundedMap } from "../core/BoundedMap.ts"
import type { User, UserId } from "../domain/User.ts"

interface Entry {
  readonly user: User
  readonly read_at: number
}

/** A user is as the database said at most this long ago, in ms: the promise about deactivation. Times are steady ones. */
const lifetime = 2000
const maxEntries = 10_000

/**
 * Users of this process, by id. Plain calls, because every request makes one. `change` is the number of drops: who
 * reads the database before a drop and stores after it would store what is no longer true.
 */
export class UserCache {
  private readonly entries = new BoundedMap<UserId, Entry>(maxEntries)
  change = 0

  get(id: UserId, now: number): User | undefined {
    const entry = this.entries.get(id)
    return entry !== undefined && now - entry.read_at < lifetime ? entry.user : undefined
  }

  /** `read_at` and `change` from before the database was asked. */
  set(user: User, read_at: number, change: number) {
    if (change !== this.change) return
    this.entries.set(user.id, { user, read_at })
  }

  drop(id: UserId) {
    this.change += 1
    this.entries.delete(id)
  }
}
