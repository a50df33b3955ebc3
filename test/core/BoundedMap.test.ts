import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { BoundedMap } from "../../src/core/BoundedMap.ts"

describe("BoundedMap", () => {
  it("holds the keys set last, after any sequence of sets and deletes", () => {
    const key = fc.integer({ min: 0, max: 9 })
    const step = fc.record({ key, isSet: fc.boolean() })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step), (maxSize, steps) => {
        const map = new BoundedMap<number, number>(maxSize)
        let expected: ReadonlyArray<readonly [number, number]> = []
        for (const [value, { isSet, key: changed }] of steps.entries()) {
          if (isSet) map.set(changed, value)
          else map.delete(changed)
          const others = expected.filter(([other]) => other !== changed)
          expected = isSet ? [...others, [changed, value] as const].slice(-maxSize) : others
        }
        assert.deepStrictEqual(Array.from(map), Array.from(expected))
      }),
    )
  })
})
