import { accessSync, constants, existsSync, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { Config } from "effect"
import { line, type Problem, type ValuesOf } from "./Variables.ts"

export const variables = () => ({ DATA_DIR: line("DATA_DIR").pipe(Config.withDefault(".data")) })

export type Values = ValuesOf<typeof variables>

export const notWritable: Problem = {
  name: "DATA_DIR",
  message: "must be a writable directory",
}

/** Checks the directory if the secret key or the database is stored in it. */
export const problems = ({
  DATABASE_URL,
  DATA_DIR,
  SECRET_KEY,
}: Partial<Values & { readonly SECRET_KEY: unknown; readonly DATABASE_URL: unknown }>) =>
  (SECRET_KEY === null || DATABASE_URL === null) && DATA_DIR && !isWritableDirectory(DATA_DIR)
    ? [notWritable]
    : []

/** Tests the directory, or its closest existing parent, in which it will be created. */
const isWritableDirectory = (directory: string): boolean => {
  const path = resolve(directory)
  if (!existsSync(path)) return isWritableDirectory(dirname(path))
  try {
    accessSync(path, constants.W_OK)
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
