import { BadRequestError } from "../domain/Errors.ts"
import { Effect, Schema } from "effect"
import { Rpcs } from "./Rpcs.ts"

/** Calls in one request; they run beside each other. */
const most = 100

const Frame = Schema.Struct({
  _tag: Schema.Literal("Request"),
  id: Schema.Union([Schema.String.check(Schema.isMaxLength(128)), Schema.Int]),
  tag: Schema.String,
  payload: Schema.Unknown.pipe(Schema.withDecodingDefaultKey(Effect.succeed({}))),
})

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Frame))

const refuse = (reason: string) => new BadRequestError({ reason })

/**
 * The calls of a body, one on each line, as the RPC server takes them. What they bring of headers is left out: those of
 * HTTP count.
 */
export const callsIn = Effect.fnUntraced(function* (body: string) {
  const lines = body.split("\n").filter((line) => line.trim() !== "")
  if (lines.length === 0 || lines.length > most) {
    return yield* refuse(`A body has 1 to ${most} calls`)
  }
  const calls = new Map<string, string>()
  for (const [at, line] of lines.entries()) {
    const { id, payload, tag } = yield* Effect.mapError(decode(line), () =>
      refuse(
        `Line ${at + 1} is not a call: {"_tag":"Request","id":"1","tag":"users.get","payload":{}}`,
      ),
    )
    if (!Rpcs.requests.has(tag))
      return yield* refuse(`Line ${at + 1} calls no method that there is`)
    calls.set(String(id), JSON.stringify({ _tag: "Request", id, tag, payload, headers: [] }))
  }
  if (calls.size < lines.length) return yield* refuse("Two calls have one id")
  return `${[...calls.values()].join("\n")}\n`
})
