import { Effect, Predicate } from "effect"
import { RpcClientError } from "effect/rpc"
import { AuthenticationError, NotFoundError, ValidationError } from "../domain/Errors.ts"
import { CommandFailed, printable } from "./Output.ts"

/** Turns every error into a CommandFailed that says what to do. `override` replaces the common message of an error. */
export const explainErrors =
  (override: (error: Error) => string | undefined = () => undefined) =>
  <A, E extends Error, R>(self: Effect.Effect<A, E, R>) =>
    Effect.mapError(self, (error) =>
      error instanceof CommandFailed
        ? error
        : new CommandFailed({ message: override(error) ?? explain(error) }),
    )

/** Returns the message for an error: one line for each problem. */
export const explain = (error: Error): string => {
  if (error instanceof ValidationError) {
    return error.issues.map(({ message, path }) => printable(`${path}: ${message}`)).join("\n")
  }
  if (error instanceof NotFoundError)
    return `no ${error.resource} has the id ${printable(error.id)}`
  if (error instanceof AuthenticationError) {
    return "PLINTH_TOKEN is refused: use one of the RPC_TOKEN values of the service at PLINTH_URL"
  }
  return error instanceof RpcClientError.RpcClientError ? rpcFailure(error) : error.message
}

const rpcFailure = ({ reason }: RpcClientError.RpcClientError) => {
  if (reason._tag !== "HttpError") return "the service at PLINTH_URL is not Plinth"
  if (reason.kind !== "StatusCodeError")
    return "PLINTH_URL is unreachable: run plinth smoke <url> to find out why"
  const status = statusOf(reason.cause)
  return status === 404
    ? "PLINTH_URL has no /rpc: is RPC_TOKEN set there?"
    : `PLINTH_URL answered with ${status}: try again, or check the log of the service`
}

const statusOf = (cause: unknown) =>
  Predicate.hasProperty(cause, "response") && Predicate.hasProperty(cause.response, "status")
    ? cause.response.status
    : "no status"
