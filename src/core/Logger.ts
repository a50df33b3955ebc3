import {
  Cause,
  Context,
  Effect,
  Layer,
  Logger,
  type LogLevel,
  Option,
  References,
  Tracer,
} from "effect"
import { RequestInfo } from "../domain/RequestInfo.ts"
import { version } from "../domain/Version.ts"
import { Settings } from "./Settings.ts"

/** Where lines go: the server's to stdout; a command's to stderr, because its stdout is its result. */
type Output = NodeJS.WritableStream

const levels: Readonly<Record<LogLevel.LogLevel, string>> = {
  All: "DEBUG",
  Trace: "DEBUG",
  Debug: "DEBUG",
  Info: "INFO",
  Warn: "WARNING",
  Error: "ERROR",
  Fatal: "ERROR",
  None: "DEBUG",
}

const minimum = { DEBUG: "Debug", INFO: "Info", WARNING: "Warn", ERROR: "Error" } as const

type Fields = { readonly [key: string]: unknown }

/** What a log line says, in the order of CONTRACT section 3. */
const recordOf = (
  settings: Settings["Service"],
  { cause, date, fiber, logLevel, message }: Logger.Options<unknown>,
): Fields => {
  const { request_id, user_id } = fiber.getRef(RequestInfo)
  const span = Context.getOption(fiber.context, Tracer.ParentSpan)
  return {
    timestamp: date.toISOString(),
    level: levels[logLevel],
    message: textOf(message),
    service: settings.PROJECT_NAME,
    environment: settings.ENVIRONMENT,
    version,
    ...(request_id !== null && { request_id }),
    ...(user_id !== null && { user_id }),
    ...(Option.isSome(span) &&
      span.value.sampled && { trace_id: span.value.traceId, span_id: span.value.spanId }),
    ...fiber.getRef(References.CurrentLogAnnotations),
    ...(cause.reasons.length > 0 && { exception: exceptionOf(cause) }),
  }
}

const textOf = (message: unknown) =>
  scrub(
    (Array.isArray(message) ? message : [message])
      .map((part) => (typeof part === "string" ? part : String(part)))
      .join(" "),
  )

const exceptionOf = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  return {
    type: error instanceof Error ? error.name : typeof error,
    message: scrub(error instanceof Error ? error.message : String(error)),
    traceback: scrub(Cause.pretty(cause)),
  }
}

/** Tokens, passwords and keys never reach a log, whoever put them into a message. */
export const scrub = (text: string) =>
  text
    .replaceAll(/[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/g, "<token>")
    .replaceAll(/:\/\/[^\s/:@]{1,200}:[^\s/@]{1,200}@/g, "://<credentials>@")
    .replaceAll(
      /\b(password|secret|api_?key|token)(["']?\s{0,3}[=:]\s{0,3}["']?)[^\s"',;&]{1,500}/gi,
      "$1$2<redacted>",
    )
    .replaceAll(/\bbearer\s{1,3}[^\s"']{1,4000}/gi, "Bearer <token>")

const json = (settings: Settings["Service"]) =>
  Logger.make((options) => `${JSON.stringify(recordOf(settings, options), replace)}\n`)

const readable = (settings: Settings["Service"], output: Output) => {
  const colour = "isTTY" in output && output.isTTY === true
  return Logger.make((options) => {
    const {
      timestamp,
      level,
      message,
      service: _s,
      environment: _e,
      version: _v,
      exception,
      ...rest
    } = recordOf(settings, options)
    const details = Object.entries(rest).map(([key, value]) => `${key}=${plain(value)}`)
    const trace =
      typeof exception === "object" && exception !== null && "traceback" in exception
        ? `\n${String(exception.traceback)}`
        : ""
    const head = `${String(timestamp).slice(11, 23)} ${String(level).padEnd(7)}`
    return `${colour ? `\u001B[2m${head}\u001B[0m` : head} ${[message, ...details].map(String).join(" ")}${trace}\n`
  })
}

const plain = (value: unknown) =>
  typeof value === "string" ? value : JSON.stringify(value, replace)

/** Errors and other values that JSON has no form for. */
const replace = (_: string, value: unknown): unknown => {
  if (value instanceof Error) return scrub(`${value.name}: ${value.message}`)
  return typeof value === "bigint" ? value.toString() : value
}

const make = (output: Output) =>
  Layer.unwrap(
    Effect.map(Settings, (settings) => {
      const format = settings.ENVIRONMENT === "local" ? readable(settings, output) : json(settings)
      const level = settings.DEBUG ? "Debug" : minimum[settings.LOG_LEVEL]
      return Layer.mergeAll(
        Logger.layer([Logger.make((options) => void output.write(format.log(options)))]),
        Layer.succeed(References.MinimumLogLevel, level),
      )
    }),
  )

/** Log lines to stdout: JSON, or for people in `local`. */
export const layer = make(process.stdout)

/** The same to stderr. */
export const layerStderr = make(process.stderr)
