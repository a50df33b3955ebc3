import { Layer } from "effect"
import { RpcTest } from "effect/rpc"
import * as Calls from "./Calls.ts"
import { PlinthRpc } from "./RpcClient.ts"
import * as RpcHandlers from "./RpcHandlers.ts"
import { Rpcs } from "./Rpcs.ts"

/** Calls the handlers in this process, for operators on the machine: no HTTP, no token. */
export const layer = Layer.effect(
  PlinthRpc,
  RpcTest.makeClient(Rpcs, { flatten: true, disableFatalDefects: true }),
).pipe(Layer.provide([RpcHandlers.layer, Calls.layer]))
