/** A map of at most `maxSize` entries: setting a further key evicts the entry that was set longest ago. */
export class BoundedMap<Key, Value> extends Map<Key, Value> {
  private readonly maxSize: number

  constructor(maxSize: number) {
    super()
    this.maxSize = maxSize
  }

  /** Setting an existing key moves it to the end of the queue. */
  override set(key: Key, value: Value) {
    if (!this.delete(key) && this.size >= this.maxSize) {
      for (const oldest of this.keys()) {
        this.delete(oldest)
        break
      }
    }
    return super.set(key, value)
  }
}
