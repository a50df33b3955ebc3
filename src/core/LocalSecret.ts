import { randomBytes } from "node:crypto"
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Redacted } from "effect"

/**
 * The key that signs tokens where no SECRET_KEY is set, which only `local` allows: made once in `directory`, mode
 * 0600, and kept, so that tokens outlive a restart. Throws when the directory cannot be used or the file is damaged.
 */
export const localSecret = (directory: string): Redacted.Redacted => {
  mkdirSync(directory, { recursive: true })
  const file = join(directory, "secret_key")
  const key = read(file) ?? make(file)
  if (Buffer.byteLength(key) < 32) throw new Error("secret_key is damaged")
  chmodSync(file, 0o600)
  return Redacted.make(key)
}

const read = (file: string) => {
  try {
    return readFileSync(file, "utf8").trim()
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined
    throw error
  }
}

/** A link appears whole or not at all, and once: of two first starts one makes the key and both read it. */
const make = (file: string) => {
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, randomBytes(32).toString("base64url"), { mode: 0o600 })
  try {
    linkSync(draft, file)
  } catch (error) {
    if (read(file) === undefined) throw error
  } finally {
    rmSync(draft)
  }
  return read(file) ?? ""
}
