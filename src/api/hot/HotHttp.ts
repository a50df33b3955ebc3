import { Cause, Context, Effect, Exit } from "effect"
import { HttpServerResponse } from "effect/http"
import { CurrentUser } from "../../domain/users/User.ts"
import { textOf } from "../../http/Bodies.ts"
import { endpointLabel } from "../../http/Exchange.ts"
import { absentRequest } from "../../http/hot/Absent.ts"
import * as HotAnswers from "../../http/hot/HotAnswers.ts"
import type { HotRequest, HotRoute } from "../../http/hot/HotPath.ts"
import { BodyPolicy } from "../../http/Policies.ts"
import * as AuthenticationHttp from "../middleware/AuthenticationHttp.ts"
import { codecsOf } from "./HotCodecs.ts"
import * as PoliciesHttp from "../middleware/PoliciesHttp.ts"
import * as QuotaHttp from "../middleware/QuotaHttp.ts"
import type { HotEndpoint } from "./HotApi.ts"

/**
 * The routes of the endpoints that are on the hot path. What the contract says of an endpoint is looked up once. A
 * request then takes the steps of the middlewares in their order: sign in > role > body > quota > decode > handle >
 * encode. A step is an `Exit` unless it has to wait, so that nearly every request needs a fiber for its handler only.
 */
export const routesOf = Effect.fnUntraced(function* (endpoints: ReadonlyArray<HotEndpoint>) {
  const answers = yield* HotAnswers.make
  const signInFor = yield* AuthenticationHttp.make
  const quotaCheckFor = yield* QuotaHttp.make
  const context = yield* Effect.context<never>()
  const { clock } = answers

  const routeOf = (hot: HotEndpoint): HotRoute => {
    const { endpoint, group } = hot
    const { method, path } = endpoint
    const label = endpointLabel(path)
    const handle = handlerOf(context, hot)
    const codecs = codecsOf(hot)
    const signIn = signInFor({ endpoint, group })
    const checkRole = PoliciesHttp.roleCheckFor({ endpoint, group })
    const checkQuota = quotaCheckFor({ endpoint, group })
    const maxBytes = Math.min(
      Context.get(hot.annotations, BodyPolicy).maxBytes ?? Infinity,
      answers.maxBodyBytes,
    )

    const admit = (call: HotAnswers.HotCall): Effect.Effect<CurrentUser["Service"], Error> =>
      Effect.flatMapEager(
        signIn(call.incoming.headers.authorization, call.exchange, clock),
        (user) => Effect.mapEager(checkRole(user), () => user),
      )

    const handleAs = (
      user: CurrentUser["Service"],
      input: Input,
      body?: string,
    ): Effect.Effect<unknown, Error> =>
      Effect.flatMapEager(checkQuota === undefined ? Exit.void : checkQuota(user, clock), () =>
        Effect.flatMapEager(codecs.payload(body), (payload) => {
          input.payload = payload
          return handle(input)
        }),
      )

    const finish = (call: HotAnswers.HotCall) => (exit: Exit.Exit<unknown, unknown>) => {
      if (Exit.isFailure(exit)) return refuse(call, exit.cause)
      if (HttpServerResponse.isHttpServerResponse(exit.value)) {
        return answers.sendResponse(call, exit.value)
      }
      const encoded = codecs.success(exit.value)
      if (Exit.isFailure(encoded)) return answers.fail(call, Cause.die(encoded.cause))
      const body = encoded.value === undefined ? undefined : JSON.stringify(encoded.value)
      return answers.send(call, {
        status: codecs.status,
        body,
        headers: body === undefined ? {} : HotAnswers.json,
      })
    }

    const refuse = (call: HotAnswers.HotCall, cause: Cause.Cause<unknown>) => {
      const error = cause.reasons.find(Cause.isFailReason)?.error
      const encoded = error === undefined ? undefined : codecs.error(error)
      return encoded === undefined
        ? answers.fail(call, cause)
        : answers.refuse(call, encoded.status, encoded.text)
    }

    const answerAs = (call: HotAnswers.HotCall, user: CurrentUser["Service"], input: Input) => {
      const own = { ...call, context: Context.add(call.context, CurrentUser, user) }
      if (codecs.takesPayload) {
        answers.read(call, maxBytes, (body) =>
          answers.run(
            own,
            () =>
              Effect.flatMapEager(body, (bytes) =>
                Effect.flatMapEager(textOf(bytes), (text) => handleAs(user, input, text)),
              ),
            finish(own),
          ),
        )
      } else answers.run(own, () => handleAs(user, input), finish(own))
    }

    return {
      method: method as HotRoute["method"],
      path,
      answer: (request) => {
        if (!isBodyPlain(request, codecs.takesPayload, maxBytes)) return false
        if (request.headers["idempotency-key"] !== undefined) return false
        const params = codecs.params(request)
        const query = codecs.query(request)
        if (Exit.isFailure(params) || Exit.isFailure(query)) return false
        const input: Input = {
          endpoint,
          group,
          request: absentRequest,
          params: params.value,
          query: query.value,
          payload: undefined,
        }
        const call = answers.open(request, label)
        answers.start(call)
        answers.run(
          call,
          () => admit(call),
          (exit) =>
            Exit.isSuccess(exit) ? answerAs(call, exit.value, input) : refuse(call, exit.cause),
        )
        return true
      },
    }
  }

  return endpoints.filter(({ obstacle }) => obstacle === null).map(routeOf)
})

/** The input of a handler. The payload is set last. */
interface Input {
  readonly endpoint: HotEndpoint["endpoint"]
  readonly group: HotEndpoint["group"]
  readonly request: never
  readonly params: unknown
  readonly query: unknown
  payload: unknown
}

const isBodyPlain = (request: HotRequest, takesPayload: boolean, maxBytes: number) => {
  if (takesPayload) return HotAnswers.hasPlainBody(request, "application/json", maxBytes)
  const { "content-length": length = "0" } = request.headers
  return length === "0"
}

type Handler = (input: Input) => Effect.Effect<unknown, Error>

/** A handler as `HttpApiBuilder.group` keeps it, in the service of its group. */
interface Registered {
  readonly handler: Handler
  readonly isRaw: boolean
  readonly uninterruptible: boolean
}

/** Returns the handler that the group's layer registered. */
const handlerOf = (context: Context.Context<never>, { endpoint, group }: HotEndpoint): Handler => {
  // Effect's types do not name the service of a group, which is the only place with its handlers.
  const service = context.mapUnsafe.get(group.key) as {
    readonly handlers: ReadonlyMap<string, Registered>
  }
  const registered = service.handlers.get(endpoint.identifier)
  if (registered === undefined || registered.isRaw || registered.uninterruptible) {
    throw new Error(
      `${endpoint.method} ${endpoint.path} has a raw or uninterruptible handler: annotate it with offHotPath (Policies.ts)`,
    )
  }
  return registered.handler
}
