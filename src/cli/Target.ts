import { Config, Effect, Layer } from "effect"
import type { PlinthRpc } from "../rpc/RpcClient.ts"
import { CommandFailed } from "./Output.ts"

const url = Config.String("PLINTH_URL").pipe(Config.withDefault(null))

/** Read only from the environment: an argument would be visible in the process list. */
const token = Config.Redacted("PLINTH_TOKEN").pipe(Config.withDefault(null))

/** Provides the RPC methods that commands call: those of the service at PLINTH_URL or, if unset, of this process. */
export const rpcLayer = <E, R>(local: Effect.Effect<Layer.Layer<PlinthRpc, E, R>>) =>
  Layer.unwrap(
    Effect.gen(function* (): Effect.fn.Return<
      Layer.Layer<PlinthRpc, E, R>,
      CommandFailed | Config.ConfigError
    > {
      const serviceUrl = yield* url
      if (serviceUrl === null || serviceUrl === "") return yield* local
      if (!/^https?:\/\/[^/]/.test(serviceUrl) || !URL.canParse(serviceUrl)) {
        return yield* new CommandFailed({
          message: "PLINTH_URL must be a URL such as https://api.example.com",
        })
      }
      const secret = yield* token
      if (secret === null) {
        return yield* new CommandFailed({
          message:
            "PLINTH_TOKEN is not set: use one of the RPC_TOKEN values of the service at PLINTH_URL",
        })
      }
      const client = yield* Effect.promise(() => import("../rpc/RpcClient.ts"))
      return client.PlinthRpc.layer({ url: serviceUrl, token: secret, caller: "cli" })
    }),
  )
