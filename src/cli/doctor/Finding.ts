import type { Finding as FindingSchema } from "../Results.ts"

export type Finding = typeof FindingSchema.Type

export const ok = (part: string, live: string, why: string): Finding => ({
  part,
  status: "ok",
  live,
  why,
  advice: null,
})

export const warning = (finding: Finding, advice: string): Finding => ({
  ...finding,
  status: "warning",
  advice,
})

export const broken = (finding: Finding, advice: string): Finding => ({
  ...finding,
  status: "broken",
  advice,
})
