import { Context } from "effect"

/**
 * Removes Plinth's services from the context of requests. That context is copied whenever a service is added to it, and
 * the code that uses our services has captured them already.
 */
export const withoutPlinthServices = <R>(context: Context.Context<R>): Context.Context<R> =>
  Context.makeUnsafe(
    new Map(Array.from(context.mapUnsafe).filter(([key]) => !key.startsWith("plinth/"))),
  )
