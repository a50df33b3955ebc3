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
import { RequestInfo } from "../domain/RequestInfo.ts"
import { version } from "../domain/Version.ts"
import { escapeControls, flushOutput, type Output } from "./Output.ts"
import { Settings } from "./Settings.ts"
import { withoutValues, withReason } from "./SqlFailure.ts"

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
  const { caller, request_id, user_id } = fiber.getRef(RequestInfo)
  const span = Context.getOption(fiber.context, Tracer.ParentSpan)
  const record = {
    timestamp: date.toISOString(),
    level: levels[logLevel],
    message: textOf(message),
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

/** An annotation never takes the place of a key of the record. */
const annotationsOf = (annotations: Fields, record: Fields): Fields =>
  Object.fromEntries(
    Object.entries(annotations).map(([key, value]) => [
      key in record || key === "exception" ? `annotation_${key}` : key,
      attempt(() => scrubbed(key, printable(value))),
    ]),
  )

const textOf = (message: unknown): string => attempt(() => scrub(wordsOf(message)))

const wordsOf = (message: unknown): string =>
  Array.isArray(message) ? message.map(wordsOf).join(" ") : wordOf(message)

const wordOf = (value: unknown) => {
  if (typeof value === "string") return value
  return value instanceof Error ? `${value.name}: ${withReason(value)}` : Formatter.format(value)
}

const exceptionOf = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  return {
    type: attempt(() => (error instanceof Error ? scrub(error.name) : typeof error)),
    message: attempt(() => scrub(error instanceof Error ? withReason(error) : wordOf(error))),
    traceback: attempt(() => scrub(withoutValues(Cause.pretty(cause), error))),
  }
}

/** Getters, toJSON and proxies may throw: that must not take the line with it, nor the fiber that logs. */
const attempt = <A>(f: () => A): A | "<unprintable>" => {
  try {
    return f()
  } catch {
    return "<unprintable>"
  }
}

/** The value as JSON knows it: without circles, and `<redacted>` for what is redacted. */
const printable = (value: unknown): unknown => {
  if (value instanceof Error) return wordOf(value)
  if (typeof value === "bigint") return value.toString()
  if (typeof value !== "object" || value === null) return value
  return JSON.parse(Formatter.formatJson(value))
}

const secretName = /passw(?:or)?d|passphrase|secret|token|api[_-]?key|authorization|cookie/i

/** JSON without secrets: a text is one by its name, or by the name of what it is in. */
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
 * Tokens, passwords and keys never reach a log or a span, whoever put them into a message. Every pattern reads a text
 * once: starts are rare or stand at the head of a word, and what follows is bounded or cannot fail.
 */
export const scrub = (text: string) =>
  text
    .replaceAll(
      /(?<![\w-])(?:eyJ[\w-]{8,}(?:\.[\w-]*)+|[\w-]{16,}\.[\w-]{8,}\.[\w-]{16,})/g,
      "<token>",
    )
    .replaceAll(/\bbearer\s{1,3}[^\s"',;]+/gi, "Bearer <token>")
    .replaceAll(/\bbasic\s{1,3}[\w+/-]{12,}={0,2}/gi, "Basic <token>")
    // A password may hold slashes where it stands in the URL of a database.
    .replaceAll(
      /(?<=\b(?:postgres(?:ql)?|rediss?)[\w+]{0,20}:\/\/)[^\s"']{1,500}@/gi,
      "<credentials>@",
    )
    .replaceAll(/(?<=:\/\/)[^\s/:@]{0,200}:[^\s/]{1,500}@/g, "<credentials>@")
    .replaceAll(
      /((?:passw(?:or)?d|passphrase|secret|token|api[_-]?key)(?:[_-][\w-]{0,40}|key|s)?\\{0,7}["']?\s{0,3}[=:]\s{0,3})(?:\\{0,7}"[^"\\\n]*|'[^'\n]*|[^\s"',;&\\]+)/gi,
      "$1<redacted>",
    )

const json = (settings: Settings["Service"]) =>
  Logger.make((options) => `${JSON.stringify(recordOf(settings, options))}\n`)

const readable = (settings: Settings["Service"], output: Output) => {
  const colour = output.hasColors?.() === true
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
            .map((line) => `\n    ${escapeControls(line)}`)
            .join("")
        : ""
    const head = `${String(timestamp).slice(11, 23)} ${String(level).padEnd(7)}`
    const said = escapeControls([message, ...details].join(" "))
    return `${colour ? `\u001B[2m${head}\u001B[0m` : head} ${said}${trace}\n`
  })
}

/** Log lines to `output`: JSON, or for people in `local`. */
export const layerTo = (output: Output) =>
  Layer.unwrap(
    Effect.map(Settings, (settings) => {
      const format = settings.ENVIRONMENT === "local" ? readable(settings, output) : json(settings)
      const level = settings.DEBUG ? "Debug" : minimum[settings.LOG_LEVEL]
      return Layer.mergeAll(
        Logger.layer([Logger.make((options) => void output.write(format.log(options)))]),
        Layer.succeed(References.MinimumLogLevel, level),
        Layer.effectDiscard(Effect.addFinalizer(() => flushOutput(output))),
      )
    }),
  )

/** The server's, to stdout. */
export const layer = layerTo(process.stdout)

/** A command's, to stderr, because its stdout is its result. */
export const layerStderr = layerTo(process.stderr)
