import {
  Cause,
  Context,
  Effect,
  Formatter,
  Layer,
  Logger,
  type LogLevel,
  Option,
  References,
  Tracer,
} from "effect"
import { RequestInfo } from "../../domain/RequestInfo.ts"
import { version } from "../../domain/Version.ts"
import { escapeControls, flushOutput, type Output } from "./Output.ts"
import { Settings } from "../settings/Settings.ts"
import { withoutValues, withReason } from "../SqlFailure.ts"

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

const minimumLevels = { DEBUG: "Debug", INFO: "Info", WARNING: "Warn", ERROR: "Error" } as const

type Fields = { readonly [key: string]: unknown }

/** Returns the fields of a log line (`docs/observability.md`), in their fixed order. */
const recordOf = (
  settings: Settings["Service"],
  { cause, date, fiber, logLevel, message }: Logger.Options<unknown>,
): Fields => {
  const { caller, request_id, user_id } = fiber.getRef(RequestInfo)
  const span = Context.getOption(fiber.context, Tracer.ParentSpan)
  const record = {
    timestamp: date.toISOString(),
    level: levels[logLevel],
    message: messageText(message),
    service: settings.PROJECT_NAME,
    environment: settings.ENVIRONMENT,
    version,
    ...(request_id !== null && { request_id }),
    ...(user_id !== null && { user_id }),
    ...(caller !== null && { caller }),
    ...(Option.isSome(span) &&
      span.value.sampled && { trace_id: span.value.traceId, span_id: span.value.spanId }),
  }
  return {
    ...record,
    ...annotationsOf(fiber.getRef(References.CurrentLogAnnotations), record),
    ...(cause.reasons.length > 0 && { exception: exceptionOf(cause) }),
  }
}

/** Prefixes annotations whose key the record already uses, so that they never replace it. */
const annotationsOf = (annotations: Fields, record: Fields): Fields =>
  Object.fromEntries(
    Object.entries(annotations).map(([key, value]) => [
      key in record || key === "exception" ? `annotation_${key}` : key,
      orUnprintable(() => scrubbed(key, toJson(value))),
    ]),
  )

const messageText = (message: unknown): string => orUnprintable(() => scrub(formatMessage(message)))

const formatMessage = (message: unknown): string =>
  Array.isArray(message) ? message.map(formatMessage).join(" ") : formatValue(message)

const formatValue = (value: unknown) => {
  if (typeof value === "string") return value
  return value instanceof Error ? `${value.name}: ${withReason(value)}` : Formatter.format(value)
}

const exceptionOf = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  return {
    type: orUnprintable(() => (error instanceof Error ? scrub(error.name) : typeof error)),
    message: orUnprintable(() =>
      scrub(error instanceof Error ? withReason(error) : formatValue(error)),
    ),
    traceback: orUnprintable(() => scrub(withoutValues(Cause.pretty(cause), error))),
  }
}

/** Catches errors of getters, toJSON and proxies, so that they lose neither the line nor the logging fiber. */
const orUnprintable = <A>(f: () => A): A | "<unprintable>" => {
  try {
    return f()
  } catch {
    return "<unprintable>"
  }
}

/** Converts a value to plain JSON, without cycles. Redacted values become `<redacted>`. */
const toJson = (value: unknown): unknown => {
  if (value instanceof Error) return formatValue(value)
  if (typeof value === "bigint") return value.toString()
  if (typeof value !== "object" || value === null) return value
  return JSON.parse(Formatter.formatJson(value))
}

const secretName = /passw(?:or)?d|passphrase|secret|token|api[_-]?key|authorization|cookie/i

/** Removes secrets from JSON. Text counts as a secret if its key, or the key of an enclosing value, says so. */
export const scrubbed = (name: string, value: unknown): unknown => {
  const isSecret = secretName.test(name)
  if (typeof value === "string") return isSecret ? "<redacted>" : scrub(value)
  if (Array.isArray(value)) return value.map((item) => scrubbed(name, item))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, scrubbed(isSecret ? name : key, item)]),
  )
}

/**
 * Removes tokens, passwords and keys from a text, so that none reaches a log or a span. Every pattern runs in linear
 * time: its starts are rare or at the start of a word, and the rest is bounded or cannot fail.
 */
export const scrub = (text: string) =>
  text
    .replaceAll(
      /(?<![\w-])(?:eyJ[\w-]{8,}(?:\.[\w-]*)+|[\w-]{16,}\.[\w-]{8,}\.[\w-]{16,})/g,
      "<token>",
    )
    .replaceAll(/\bbearer\s{1,3}[^\s"',;]+/gi, "Bearer <token>")
    .replaceAll(/\bbasic\s{1,3}[\w+/-]{12,}={0,2}/gi, "Basic <token>")
    // Passwords in database URLs may contain slashes.
    .replaceAll(
      /(?<=\b(?:postgres(?:ql)?|rediss?)[\w+]{0,20}:\/\/)[^\s"']{1,500}@/gi,
      "<credentials>@",
    )
    .replaceAll(/(?<=:\/\/)[^\s/:@]{0,200}:[^\s/]{1,500}@/g, "<credentials>@")
    .replaceAll(
      /((?:passw(?:or)?d|passphrase|secret|token|api[_-]?key)(?:[_-][\w-]{0,40}|key|s)?\\{0,7}["']?\s{0,3}[=:]\s{0,3})(?:\\{0,7}"[^"\\\n]*|'[^'\n]*|[^\s"',;&\\]+)/gi,
      "$1<redacted>",
    )

const jsonFormat = (settings: Settings["Service"]) =>
  Logger.make((options) => `${JSON.stringify(recordOf(settings, options))}\n`)

const readableFormat = (settings: Settings["Service"], output: Output) => {
  const hasColors = output.hasColors?.() === true
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
    const details = Object.entries(rest).map(
      ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
    )
    const trace =
      typeof exception === "object" && exception !== null && "traceback" in exception
        ? String(exception.traceback)
            .split("\n")
            .map((text) => `\n    ${escapeControls(text)}`)
            .join("")
        : ""
    const head = `${String(timestamp).slice(11, 23)} ${String(level).padEnd(7)}`
    const line = escapeControls([message, ...details].join(" "))
    return `${hasColors ? `\u001B[2m${head}\u001B[0m` : head} ${line}${trace}\n`
  })
}

/** Writes log lines to `output`: readable text in `local`, JSON elsewhere. */
export const layerTo = (output: Output) =>
  Layer.unwrap(
    Effect.map(Settings, (settings) => {
      const format =
        settings.ENVIRONMENT === "local" ? readableFormat(settings, output) : jsonFormat(settings)
      const level = settings.DEBUG ? "Debug" : minimumLevels[settings.LOG_LEVEL]
      return Layer.mergeAll(
        Logger.layer([Logger.make((options) => void output.write(format.log(options)))]),
        Layer.succeed(References.MinimumLogLevel, level),
        Layer.effectDiscard(Effect.addFinalizer(() => flushOutput(output))),
      )
    }),
  )

/** Logs to stdout, for servers and workers. */
export const layer = layerTo(process.stdout)

/** Logs to stderr, for commands, whose result goes to stdout. */
export const layerStderr = layerTo(process.stderr)
