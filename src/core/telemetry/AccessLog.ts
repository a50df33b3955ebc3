import { Context, Effect, Layer } from "effect"
import { rfc3339 } from "../../domain/Rfc3339.ts"
import { version } from "../../domain/Version.ts"
import { escapeControls, flushOutput, type Output } from "./Output.ts"
import { Settings } from "../settings/Settings.ts"

/** One answered request. `timestamp` is the time of the response, in Unix milliseconds. */
export interface AccessRecord {
  readonly timestamp: number
  readonly request_id: string
  readonly user_id: string | null
  readonly method: string
  /** The path up to the first `?`, `;` or `#`. */
  readonly path: string
  readonly endpoint: string
  readonly status_code: number
  readonly duration_ms: number
  readonly client_ip: string
  readonly trace_id: string | null
  readonly span_id: string | null
}

/** Writes one line per request, in the format of all log records. Flushes at 16 KiB or after 200 ms. */
export class AccessLog extends Context.Service<
  AccessLog,
  { readonly write: (record: AccessRecord) => void }
>()("plinth/core/telemetry/AccessLog") {
  static readonly layerTo = (output: Output) =>
    Layer.effect(
      this,
      Effect.gen(function* () {
        const settings = yield* Settings
        const isSuppressed = settings.LOG_LEVEL === "WARNING" || settings.LOG_LEVEL === "ERROR"
        if (isSuppressed && !settings.DEBUG) return { write: () => undefined }
        const format = settings.ENVIRONMENT === "local" ? readableFormat() : jsonFormat(settings)
        const batch = yield* Effect.acquireRelease(
          Effect.sync(() => new Batch(output)),
          (opened) =>
            Effect.andThen(
              Effect.sync(() => opened.close()),
              flushOutput(output),
            ),
        )
        return { write: (record: AccessRecord) => batch.add(format(record)) }
      }),
    )

  static readonly layer = this.layerTo(process.stdout)
}

const batchSize = 16_384
const maxDelayMs = 200

/**
 * Buffers lines. Closing the scope loses none. A process exit that does not wait loses the lines that a full pipe
 * cannot take.
 */
class Batch {
  private text = ""
  private timer: NodeJS.Timeout | undefined
  private readonly output: Output

  constructor(output: Output) {
    this.output = output
    process.once("exit", this.flush)
  }

  readonly flush = () => {
    clearTimeout(this.timer)
    this.timer = undefined
    if (this.text === "") return
    const { text } = this
    this.text = ""
    this.output.write(text)
  }

  add(line: string) {
    this.text += line
    if (this.text.length >= batchSize) this.flush()
    else this.timer ??= scheduleFlush(this.flush)
  }

  close() {
    process.off("exit", this.flush)
    this.flush()
  }
}

/** Uses a plain timer, because a buffered line belongs to no fiber. The timer does not keep the process alive. */
// @effect-diagnostics-next-line globalTimers:off -- no fiber waits for the timer
const scheduleFlush = (flush: () => void) => setTimeout(flush, maxDelayMs).unref()

const jsonFormat = (settings: Settings["Service"]) => {
  const constantFields = `","level":"INFO","message":"request","service":${JSON.stringify(settings.PROJECT_NAME)},"environment":"${settings.ENVIRONMENT}","version":"${version}","request_id":`
  return (record: AccessRecord) => {
    const user = record.user_id === null ? "" : `,"user_id":${quoted(record.user_id)}`
    const trace =
      record.trace_id === null
        ? ""
        : `,"trace_id":"${record.trace_id}","span_id":"${record.span_id}"`
    return `{"timestamp":"${rfc3339(record.timestamp)}${constantFields}${quoted(record.request_id)}${user}${trace},"method":${quoted(record.method)},"path":${quoted(record.path)},"endpoint":${quoted(record.endpoint)},"status_code":${record.status_code},"duration_ms":${milliseconds(record)},"client_ip":${quoted(record.client_ip)}}\n`
  }
}

const readableFormat = () => {
  return (record: AccessRecord) => {
    const { method, path, request_id, status_code, timestamp, user_id } = record
    const words = [
      method,
      path,
      status_code,
      `${milliseconds(record)} ms`,
      request_id,
      user_id ?? "",
    ]
    const line = quoted(words.join(" ").trimEnd()).slice(1, -1)
    return `${rfc3339(timestamp).slice(11, 23)} INFO    ${line}\n`
  }
}

const milliseconds = ({ duration_ms }: AccessRecord) => Math.round(duration_ms * 100) / 100

/**
 * Returns the JSON string, with a fast path for text that needs no escaping. Also escapes the control characters that
 * JSON allows, because terminals act on them.
 */
const quoted = (text: string) =>
  /^[\w !#-[\]^`{|}~]*$/.test(text) ? `"${text}"` : escapeControls(JSON.stringify(text))
