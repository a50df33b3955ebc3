import type * as Database from "./Database.ts"
import { boolean, integer, optional, type ValuesOf } from "./Variables.ts"

export const variables = () => ({
  WORKER_PORT: integer("WORKER_PORT", 0, 65_535, 9464),
  JOBS_EMBEDDED: optional(boolean("JOBS_EMBEDDED")),
  JOBS_CONCURRENCY: integer("JOBS_CONCURRENCY", 1, 1000, 10),
})

export type Values = ValuesOf<typeof variables>

export interface Derived {
  /** True if the server runs jobs too. */
  readonly jobsEmbedded: boolean
}

export const derive = ({ JOBS_EMBEDDED, database }: Values & Database.Derived): Derived => ({
  jobsEmbedded: JOBS_EMBEDDED ?? database.dialect === "sqlite",
})
