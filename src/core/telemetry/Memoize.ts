/** Caches the value of each key. Nested calls are cheaper than one key joined from several labels. */
export const memoize = <Key, Value>(make: (key: Key) => Value) => {
  const values = new Map<Key, Value>()
  return (key: Key) => {
    let value = values.get(key)
    if (value === undefined) {
      value = make(key)
      values.set(key, value)
    }
    return value
  }
}
