import { resolve } from "node:path"
import type { Settings } from "../../../core/settings/Settings.ts"
import { ok } from "../Finding.ts"
import { writesEmails } from "./Email.ts"

type Values = Settings["Service"]

export const finding = (settings: Values) => {
  const { DATABASE_URL, DATA_DIR, secretGenerated } = settings
  const contents = [
    ...(secretGenerated ? ["the secret key"] : []),
    ...(DATABASE_URL === null ? ["the database"] : []),
    ...(writesEmails(settings) ? ["e-mails"] : []),
  ]
  // Settings refuse a directory that cannot be written, unless it would only store e-mails.
  return contents.length === 0
    ? ok("DATA_DIR", "not used", "nothing is stored there")
    : ok("DATA_DIR", resolve(DATA_DIR), `stores ${contents.join(", ")}`)
}
