import { Predicate, Result } from "effect"
import { BadRequestError } from "../domain/Errors.ts"
import type { Methods } from "./RpcClient.ts"
import { Rpcs } from "./Rpcs.ts"

/** A call, from a line of a body. What it brings of headers is left out: those of HTTP count. */
export interface Frame {
  readonly id: string | number
  readonly method: Methods
  readonly payload: unknown
}

/** In one body; they run beside each other. */
const maxCallsPerBody = 100

const refuse = (reason: string) => Result.fail(new BadRequestError({ reason }))

/** The calls of a body. */
export const callsIn = (body: string): Result.Result<ReadonlyArray<Frame>, BadRequestError> => {
  const calls: Array<Frame> = []
  const lines = body.split("\n").filter((line) => line.trim() !== "")
  if (lines.length > maxCallsPerBody) return refuse(`A body has at most ${maxCallsPerBody} calls`)
  for (const [at, line] of lines.entries()) {
    const call = parsed(line)
    if (!isCall(call)) {
      return refuse(
        `Line ${at + 1} is not a call: {"_tag":"Request","id":"1","tag":"users.get","payload":{}}`,
      )
    }
    const { id, payload = {}, tag } = call
    const method = Rpcs.requests.get(tag)
    if (method === undefined) return refuse(`Line ${at + 1} calls no method that there is`)
    calls.push({ id, method, payload })
  }
  const ids = new Set(calls.map(({ id }) => String(id)))
  return ids.size < calls.length ? refuse("Two calls have one id") : Result.succeed(calls)
}

/** As the RPC server takes them. */
export const linesOf = (calls: ReadonlyArray<Frame>) =>
  calls
    .map(({ id, method: { _tag: tag }, payload }) =>
      JSON.stringify({ _tag: "Request", id, tag, payload, headers: [] }),
    )
    .map((line) => `${line}\n`)
    .join("")

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

const isCall = (
  line: unknown,
): line is { readonly id: string | number; readonly tag: string; readonly payload?: unknown } =>
  Predicate.hasProperty(line, "_tag") &&
  line._tag === "Request" &&
  Predicate.hasProperty(line, "tag") &&
  typeof line.tag === "string" &&
  Predicate.hasProperty(line, "id") &&
  (Number.isSafeInteger(line.id) || (typeof line.id === "string" && plainId.test(line.id)))

/** An answer repeats it for every call: printable ASCII that JSON writes as it is. */
const plainId = /^[ !#-[\]-~]{0,128}$/
