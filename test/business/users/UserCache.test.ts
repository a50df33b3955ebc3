import { assert, describe, it } from "@effect/vitest"
import { UserCache } from "../../../src/business/users/UserCache.ts"
import { newUserDefaults } from "../../../src/business/users/SignIn.ts"
import { Timestamp } from "../../../src/domain/Fields.ts"
import { type User, UserId } from "../../../src/domain/users/User.ts"

const at = Timestamp.make("2026-01-01T00:00:00.000Z")

const user = (id: string): User => ({
  ...newUserDefaults,
  id: UserId.make(id),
  email: null,
  email_key: null,
  full_name: null,
  role: "user",
  created_at: at,
  updated_at: at,
})

describe("UserCache", () => {
  it("returns a user for 2 s after they were read", () => {
    const cache = new UserCache()
    const ada = user("ada")
    cache.set(ada, 1000, cache.version)
    assert.strictEqual(cache.get(ada.id, 2999), ada)
    assert.isUndefined(cache.get(ada.id, 3000))
  })

  it("does not store a user read before a change", () => {
    const cache = new UserCache()
    const ada = user("ada")
    const { version } = cache
    cache.drop(ada.id)
    cache.set(ada, 0, version)
    assert.isUndefined(cache.get(ada.id, 0))
  })

  it("evicts the user stored longest ago beyond 10,000", () => {
    const cache = new UserCache()
    for (let index = 0; index <= 10_000; index += 1) cache.set(user(`u${index}`), 0, cache.version)
    assert.isUndefined(cache.get(UserId.make("u0"), 0))
    assert.isDefined(cache.get(UserId.make("u1"), 0))
    assert.isDefined(cache.get(UserId.make("u10000"), 0))
  })
})
