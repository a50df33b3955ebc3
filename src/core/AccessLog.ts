import { Context, Effect, Layer } from "effect"
import { version } from "../domain/Version.ts"
import { Settings } from "./Settings.ts"

/** One request. `timestamp` in ms since 1970, when it was answered. */
export interface AccessRecord {
  readonly timestamp: number
  readonly request_id: string
  readonly user_id: string | null
  readonly method: string
  /** Without the query. */
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
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const settings = yield* Settings
      if (settings.LOG_LEVEL === "WARNING" || settings.LOG_LEVEL === "ERROR") {
        return { write: () => undefined }
      }
      const format = settings.ENVIRONMENT === "local" ? readable : json(settings)
      const batch = yield* Effect.acquireRelease(
        Effect.sync(() => new Batch()),
        (open) => Effect.sync(() => open.flush()),
      )
      return { write: (record: AccessRecord) => batch.add(format(record)) }
    }),
  )
}

const maxBytes = 16_384
const maxDelay = 200

class Batch {
  private text = ""
  private timer: NodeJS.Timeout | undefined

  readonly flush = () => {
    clearTimeout(this.timer)
    this.timer = undefined
    if (this.text === "") return
    process.stdout.write(this.text)
    this.text = ""
  }

  add(line: string) {
    this.text += line
    if (this.text.length >= maxBytes) this.flush()
    else this.timer ??= later(this.flush)
  }
}

/** Not a fiber's business: the line belongs to no request any more. Does not keep the process alive. */
// @effect-diagnostics-next-line globalTimers:off
const later = (f: () => void) => setTimeout(f, maxDelay).unref()

const json = (settings: Settings["Service"]) => {
  const fixed = `","level":"INFO","message":"request","service":${JSON.stringify(settings.PROJECT_NAME)},"environment":"${settings.ENVIRONMENT}","version":"${version}","request_id":"`
  const times = new Times()
  return (record: AccessRecord) => {
    const user = record.user_id === null ? "" : `,"user_id":${quoted(record.user_id)}`
    const trace =
      record.trace_id === null
        ? ""
        : `,"trace_id":"${record.trace_id}","span_id":"${record.span_id}"`
    return `{"timestamp":"${times.format(record.timestamp)}${fixed}${record.request_id}"${user}${trace},"method":"${record.method}","path":${quoted(record.path)},"endpoint":"${record.endpoint}","status_code":${record.status_code},"duration_ms":${milliseconds(record)},"client_ip":"${record.client_ip}"}\n`
  }
}

const readable = (record: AccessRecord) =>
  `${record.method} ${quoted(record.path).slice(1, -1)} ${record.status_code} ${milliseconds(record)} ms ${record.request_id}${record.user_id === null ? "" : ` ${quoted(record.user_id).slice(1, -1)}`}\n`

const milliseconds = ({ duration_ms }: AccessRecord) => Math.round(duration_ms * 100) / 100

/** JSON text; the slow way only for what needs it. */
const quoted = (text: string) =>
  /^[\w !#-[\]^`{|}~]*$/.test(text) ? `"${text}"` : JSON.stringify(text)

/** RFC 3339 text of a time; most lines share their second. */
class Times {
  private second = -1
  private prefix = ""

  format(millis: number) {
    const second = Math.floor(millis / 1000)
    if (second !== this.second) {
      this.second = second
      this.prefix = new Date(second * 1000).toISOString().slice(0, 20)
    }
    return `${this.prefix}${String(millis - second * 1000).padStart(3, "0")}Z`
  }
}
