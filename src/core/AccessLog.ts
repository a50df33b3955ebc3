import { Context, DateTime, Effect, Layer } from "effect"
import { version } from "../domain/Version.ts"
import { flushOutput, type Output } from "./Output.ts"
import { Settings } from "./Settings.ts"

/** One request. `timestamp` in ms since 1970, when it was answered. */
export interface AccessRecord {
  readonly timestamp: number
  readonly request_id: string
  readonly user_id: string | null
  readonly method: string
  /** Up to the first `?`, `;` or `#`. */
  readonly path: string
  readonly endpoint: string
  readonly status_code: number
  readonly duration_ms: number
  readonly client_ip: string
  readonly trace_id: string | null
  readonly span_id: string | null
}

/** One line per request, in the form of every other log record. Written in batches: 16 KiB, or after 200 ms. */
export class AccessLog extends Context.Service<
  AccessLog,
  { readonly write: (record: AccessRecord) => void }
>()("plinth/core/AccessLog") {
  static readonly layerTo = (output: Output) =>
    Layer.effect(
      this,
      Effect.gen(function* () {
        const settings = yield* Settings
        const quiet = settings.LOG_LEVEL === "WARNING" || settings.LOG_LEVEL === "ERROR"
        if (quiet && !settings.DEBUG) return { write: () => undefined }
        const format = settings.ENVIRONMENT === "local" ? readable() : json(settings)
        const batch = yield* Effect.acquireRelease(
          Effect.sync(() => new Batch(output)),
          (open) =>
            Effect.andThen(
              Effect.sync(() => open.close()),
              flushOutput(output),
            ),
        )
        return { write: (record: AccessRecord) => batch.add(format(record)) }
      }),
    )

  static readonly layer = this.layerTo(process.stdout)
}

const maxLength = 16_384
const maxDelay = 200

/** Lines that wait for each other. None is lost when the scope closes; at an exit that does not
 * wait, what a full pipe has no room for. */
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
    if (this.text.length >= maxLength) this.flush()
    else this.timer ??= later(this.flush)
  }

  close() {
    process.off("exit", this.flush)
    this.flush()
  }
}

/** Not a fiber's business: the line belongs to no request any more. Does not keep the process alive. */
// @effect-diagnostics-next-line globalTimers:off -- no fiber waits for the timer
const later = (f: () => void) => setTimeout(f, maxDelay).unref()

const json = (settings: Settings["Service"]) => {
  const fixed = `","level":"INFO","message":"request","service":${JSON.stringify(settings.PROJECT_NAME)},"environment":"${settings.ENVIRONMENT}","version":"${version}","request_id":`
  const times = new Times()
  return (record: AccessRecord) => {
    const user = record.user_id === null ? "" : `,"user_id":${quoted(record.user_id)}`
    const trace =
      record.trace_id === null
        ? ""
        : `,"trace_id":"${record.trace_id}","span_id":"${record.span_id}"`
    return `{"timestamp":"${times.format(record.timestamp)}${fixed}${quoted(record.request_id)}${user}${trace},"method":${quoted(record.method)},"path":${quoted(record.path)},"endpoint":${quoted(record.endpoint)},"status_code":${record.status_code},"duration_ms":${milliseconds(record)},"client_ip":${quoted(record.client_ip)}}\n`
  }
}

const readable = () => {
  const times = new Times()
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
    const said = quoted(words.join(" ").trimEnd()).slice(1, -1)
    return `${times.format(timestamp).slice(11, 23)} INFO    ${said}\n`
  }
}

const milliseconds = ({ duration_ms }: AccessRecord) => Math.round(duration_ms * 100) / 100

/** JSON text; the slow way only for what needs it. Terminals obey the controls that JSON leaves as they are. */
const quoted = (text: string) =>
  /^[\w !#-[\]^`{|}~]*$/.test(text)
    ? `"${text}"`
    : JSON.stringify(text).replaceAll(
        /[\p{Cc}\u2028\u2029]/gu,
        (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
      )

/** RFC 3339 text of a time; most lines share their second. */
class Times {
  private second = -1
  private prefix = ""

  format(millis: number) {
    const second = Math.floor(millis / 1000)
    if (second !== this.second) {
      this.second = second
      this.prefix = DateTime.formatIso(DateTime.makeUnsafe(second * 1000)).slice(0, 20)
    }
    return `${this.prefix}${String(millis - second * 1000).padStart(3, "0")}Z`
  }
}
