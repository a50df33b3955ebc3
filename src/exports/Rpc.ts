/** `plinth/rpc`: the contract for internal services and its client. */
export { withDeadline } from "../rpc/Deadline.ts"
export { type Methods, type Options, PlinthRpc, withRequestId } from "../rpc/RpcClient.ts"
export { Rpcs } from "../rpc/Rpcs.ts"
