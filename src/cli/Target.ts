import { Config, Effect, Layer } from "effect"
import type { PlinthRpc } from "../rpc/RpcClient.ts"
import { CommandFailed } from "./Output.ts"

const url = Config.String("PLINTH_URL").pipe(Config.withDefault(null))

/** From the environment alone: an argument would be in the list of processes. */
const token = Config.Redacted("PLINTH_TOKEN").pipe(Config.withDefault(null))

/** The methods that commands call: of the service at PLINTH_URL; without it, those of this process. */
export const methodsOr = <E, R>(here: Effect.Effect<Layer.Layer<PlinthRpc, E, R>>) =>
  Layer.unwrap(
    Effect.gen(function* (): Effect.fn.Return<
      Layer.Layer<PlinthRpc, E, R>,
      CommandFailed | Config.ConfigError
    > {
      const service = yield* url
      if (service === null || service === "") return yield* here
      if (!/^https?:\/\/[^/]/.test(service) || !URL.canParse(service)) {
        return yield* new CommandFailed({
          message: "PLINTH_URL must be like https://api.example.com",
        })
      }
      const secret = yield* token
      if (secret === null) {
        return yield* new CommandFailed({
          message: "PLINTH_TOKEN is not set: give one of RPC_TOKEN of the service at PLINTH_URL",
        })
      }
      const client = yield* Effect.promise(() => import("../rpc/RpcClient.ts"))
      return client.PlinthRpc.layer({ url: service, token: secret, caller: "cli" })
    }),
  )
