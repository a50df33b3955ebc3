import type { Settings } from "../../../core/settings/Settings.ts"
import { ok } from "../Finding.ts"

type Values = Settings["Service"]

export const finding = ({ DOCS_ENABLED, docs }: Values) =>
  ok(
    "Documentation",
    docs ? "/docs" : "off",
    DOCS_ENABLED === null ? "ENVIRONMENT" : "DOCS_ENABLED",
  )
