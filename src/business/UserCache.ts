import type { User, UserId } from "../domain/User.ts"

interface Entry {
  readonly user: User
  readonly readAtMs: number
}

/** A user is as the database said at most this long ago, in ms: the promise about deactivation. Times are steady ones. */
const maxAgeMs = 2000
const maxEntries = 10_000

/**
 * Users of this process, by id. Plain calls, because every request makes one. `change` is the number of drops: who
 * reads the database before a drop and stores after it would store what is no longer true.
 */
export class UserCache {
  private readonly entries = new Map<UserId, Entry>()
  version = 0

  get(id: UserId, now: number): User | undefined {
    const entry = this.entries.get(id)
    return entry !== undefined && now - entry.readAtMs < maxAgeMs ? entry.user : undefined
  }

  /** `readAtMs` and `change` from before the database was asked. */
  set(user: User, readAtMs: number, version: number) {
    if (version !== this.version) return
    this.entries.delete(user.id)
    const [oldest] = this.entries.size < maxEntries ? [] : this.entries.keys()
    if (oldest !== undefined) this.entries.delete(oldest)
    this.entries.set(user.id, { user, readAtMs })
  }

  drop(id: UserId) {
    this.version += 1
    this.entries.delete(id)
  }
}
