import { inject } from "vitest"

interface Programs {
  readonly redis: string | null
  readonly haproxy: string | null
  readonly promtool: string | null
  readonly jq: string | null
  readonly curl: string | null
  readonly script: string | null
  /** Not required in CI. */
  readonly java: string | null
  /** An npm package, for suites that start their own server. The project `postgres` shares one server. */
  readonly embeddedPostgres: string | null
}

declare module "vitest" {
  interface ProvidedContext extends Programs {}
}

/**
 * Returns the path of a program that tests run. `vitest.config.ts` finds it, or installs it where it can. Null when it is
 * missing: the run reports once that its tests are skipped, and CI fails.
 */
export const program = (name: keyof Programs) => inject(name)

export const hasProgram = (name: keyof Programs) => program(name) !== null
