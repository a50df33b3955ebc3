import { Context, Scope } from "effect"
import { HttpRouter, HttpServerRequest } from "effect/http"

/**
 * Returns a stand-in for something that the router gives to handlers and the hot path does not. Using it throws an
 * error that names it: the compiler cannot refuse it, because the types of handlers are those of the router.
 */
const absent = (name: string): never =>
  new Proxy(
    {},
    {
      get: () => {
        throw new Error(
          `a handler uses ${name}, which the hot path does not give: annotate its endpoint with offHotPath (Policies.ts)`,
        )
      },
    },
  ) as never

/** Stands for the `request` of a handler's input. */
export const absentRequest = absent("request")

/** Adds stand-ins for the services that the router gives to handlers. */
export const withAbsentServices = (context: Context.Context<never>): Context.Context<never> =>
  context.pipe(
    Context.add(HttpServerRequest.HttpServerRequest, absent("HttpServerRequest")),
    Context.add(HttpServerRequest.ParsedSearchParams, absent("ParsedSearchParams")),
    Context.add(HttpRouter.RouteContext, absent("RouteContext")),
    Context.add(Scope.Scope, absent("Scope")),
  ) as Context.Context<never>
