import { Config } from "effect"
import { flag, integer, line, oneOf, type Problem, type ValuesOf } from "./Variables.ts"

export const variables = () => ({
  PROJECT_NAME: line("PROJECT_NAME").pipe(Config.withDefault("Plinth")),
  ENVIRONMENT: oneOf("ENVIRONMENT", ["local", "staging", "production"], "local"),
  DEBUG: flag("DEBUG", false),
  LOG_LEVEL: oneOf("LOG_LEVEL", ["DEBUG", "INFO", "WARNING", "ERROR"], "INFO"),
  HOST: line("HOST").pipe(Config.withDefault("0.0.0.0")),
  PORT: integer("PORT", 0, 65_535, 8000),
})

export type Values = ValuesOf<typeof variables>

export const problems = ({ DEBUG, ENVIRONMENT }: Partial<Values>): ReadonlyArray<Problem> =>
  ENVIRONMENT === "production" && DEBUG
    ? [{ name: "DEBUG", message: "must be off in production" }]
    : []
