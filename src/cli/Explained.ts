import { Effect, Predicate } from "effect"
import { RpcClientError } from "effect/rpc"
import { AuthenticationError, NotFoundError, ValidationError } from "../domain/Errors.ts"
import { CommandFailed, plain } from "./Output.ts"

/** What failed of a call, as one line for each thing that is wrong, with what to do. `own` is what the command knows better. */
export const explained =
  (own: (error: Error) => string | undefined = () => undefined) =>
  <A, E extends Error, R>(self: Effect.Effect<A, E, R>) =>
    Effect.mapError(self, (error) =>
      error instanceof CommandFailed
        ? error
        : new CommandFailed({ message: own(error) ?? explanation(error) }),
    )

export const explanation = (error: Error): string => {
  if (error instanceof ValidationError) {
    return error.issues.map(({ message, path }) => plain(`${path}: ${message}`)).join("\n")
  }
  if (error instanceof NotFoundError) return `no ${error.resource} has the id ${plain(error.id)}`
  if (error instanceof AuthenticationError) {
    return "PLINTH_TOKEN is refused: it must be one of RPC_TOKEN of the service at PLINTH_URL"
  }
  return error instanceof RpcClientError.RpcClientError ? unanswered(error) : error.message
}

const unanswered = ({ reason }: RpcClientError.RpcClientError) => {
  if (reason._tag !== "HttpError") return "what answers at PLINTH_URL is not Plinth"
  if (reason.kind !== "StatusCodeError")
    return "nothing answers at PLINTH_URL: plinth smoke <url> tells more"
  const status = statusOf(reason.cause)
  return status === 404
    ? "PLINTH_URL has no /rpc: is RPC_TOKEN set there?"
    : `PLINTH_URL answered with ${status}: try again, or look into its log`
}

const statusOf = (cause: unknown) =>
  Predicate.hasProperty(cause, "response") && Predicate.hasProperty(cause.response, "status")
    ? cause.response.status
    : "no status"
