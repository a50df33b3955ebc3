import type { Settings } from "../../../core/settings/Settings.ts"
import { ok } from "../Finding.ts"

type Values = Settings["Service"]

export const finding = ({ DEBUG, ENVIRONMENT, LOG_LEVEL }: Values) =>
  ok(
    "Logger",
    `${ENVIRONMENT === "local" ? "readable" : "JSON"} lines, ${DEBUG ? "DEBUG" : LOG_LEVEL} and above`,
    DEBUG ? "ENVIRONMENT, DEBUG" : "ENVIRONMENT, LOG_LEVEL",
  )
