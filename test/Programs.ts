import { inject } from "vitest"
import type { programs } from "../scripts/Programs.ts"

type Places = Readonly<Record<keyof typeof programs, string | null>>

interface Programs extends Places {
  /** A package. The project `postgres` has one server for all; here it is for those who start their own. */
  readonly embeddedPostgres: string | null
}

declare module "vitest" {
  interface ProvidedContext extends Programs {}
}

/**
 * The path of a program of `scripts/Programs.ts`. `vitest.config.ts` looks for it and installs it where it can. Null
 * when it is missing: its tests are skipped, which the run says once, and CI refuses.
 */
export const program = (name: keyof Programs) => inject(name)

export const hasProgram = (name: keyof Programs) => program(name) !== null
