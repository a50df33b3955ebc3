import { Predicate, Result } from "effect"
import { BadRequestError } from "../domain/Errors.ts"
import type { Methods } from "./RpcClient.ts"
import { Rpcs } from "./Rpcs.ts"

/** A call, parsed from one line of a body. Its own headers are dropped, because those of the HTTP request apply. */
export interface Frame {
  readonly id: string | number
  readonly method: Methods
  readonly payload: unknown
}

/** The maximum number of calls in one body, which run concurrently. */
const maxCallsPerBody = 100

const badRequest = (reason: string) => Result.fail(new BadRequestError({ reason }))

/** Parses the calls of a body, one per line. */
export const parseCalls = (body: string): Result.Result<ReadonlyArray<Frame>, BadRequestError> => {
  const calls: Array<Frame> = []
  const lines = body.split("\n").filter((line) => line.trim() !== "")
  if (lines.length > maxCallsPerBody)
    return badRequest(`A body can have at most ${maxCallsPerBody} calls`)
  for (const [index, line] of lines.entries()) {
    const call = parseJson(line)
    if (!isCall(call)) {
      return badRequest(
        `Line ${index + 1} is not a call. Example: {"_tag":"Request","id":"1","tag":"users.get","payload":{}}`,
      )
    }
    const { id, payload = {}, tag } = call
    const method = Rpcs.requests.get(tag)
    if (method === undefined) return badRequest(`Line ${index + 1}: unknown method`)
    calls.push({ id, method, payload })
  }
  const ids = new Set(calls.map(({ id }) => String(id)))
  return ids.size < calls.length ? badRequest("Duplicate call id") : Result.succeed(calls)
}

/** Encodes calls for the RPC server. */
export const toLines = (calls: ReadonlyArray<Frame>) =>
  calls
    .map(({ id, method: { _tag: tag }, payload }) =>
      JSON.stringify({ _tag: "Request", id, tag, payload, headers: [] }),
    )
    .map((line) => `${line}\n`)
    .join("")

const parseJson = (line: string): unknown => {
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
  (Number.isSafeInteger(line.id) || (typeof line.id === "string" && idPattern.test(line.id)))

/** Printable ASCII that JSON does not escape (no `"`, no `\`), because every response repeats the id. */
const idPattern = /^[ !#-[\]-~]{0,128}$/
