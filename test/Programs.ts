import { inject } from "vitest"

interface Programs {
  readonly redis: string | null
  readonly haproxy: string | null
  readonly promtool: string | null
  readonly jq: string | null
  readonly curl: string | null
  readonly script: string | null
  /** Not asked for in CI. */
  readonly java: string | null
  /** A package. The project `postgres` has one server for all; here it is for those who start their own. */
  readonly embeddedPostgres: string | null
}

declare module "vitest" {
  interface ProvidedContext extends Programs {}
}

/**
 * Where a program is that tests run. `vitest.config.ts` looks for it and installs it where it can; null where it is
 * not: its tests are skipped, which the run says once, and CI refuses.
 */
export const program = (name: keyof Programs) => inject(name)

export const hasProgram = (name: keyof Programs) => program(name) !== null
