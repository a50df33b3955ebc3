import { randomBytes } from "node:crypto"
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Redacted } from "effect"

/**
 * Returns the signing key for when SECRET_KEY is not set, which only `local` allows. Creates it once in `directory`
 * with mode 0600, so that tokens survive a restart. Throws if the directory is unusable or the file is damaged.
 */
export const localSecret = (directory: string): Redacted.Redacted => {
  mkdirSync(directory, { recursive: true })
  const file = join(directory, "secret_key")
  const key = readKey(file) ?? createKey(file)
  if (Buffer.byteLength(key) < 32) throw new Error("secret_key is damaged")
  chmodSync(file, 0o600)
  return Redacted.make(key)
}

const readKey = (file: string) => {
  try {
    return readFileSync(file, "utf8").trim()
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined
    throw error
  }
}

/** Creates the file by a link, which is atomic: if two processes start at the same time, both read the same key. */
const createKey = (file: string) => {
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, randomBytes(32).toString("base64url"), { mode: 0o600 })
  try {
    linkSync(draft, file)
  } catch (error) {
    if (readKey(file) === undefined) throw error
  } finally {
    rmSync(draft)
  }
  return readKey(file) ?? ""
}
