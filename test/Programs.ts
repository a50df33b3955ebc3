import { inject } from "vitest"
import type { programs } from "../scripts/Programs.ts"

type Places = Readonly<Record<keyof typeof programs, string | null>>

interface Programs extends Places {
  /** An npm package, for suites that start their own server. The project `postgres` shares one server. */
  readonly embeddedPostgres: string | null
}

declare module "vitest" {
  interface ProvidedContext extends Programs {}
}

/**
 * Returns the path of a program of `scripts/Programs.ts`. `vitest.config.ts` finds it, or installs it where it can. Null
 * when it is missing: the run reports once that its tests are skipped, and CI fails.
 */
export const program = (name: keyof Programs) => inject(name)

export const hasProgram = (name: keyof Programs) => program(name) !== null
