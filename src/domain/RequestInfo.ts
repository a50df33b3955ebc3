import { Context } from "effect"
import type { UserId } from "./users/User.ts"

/**
 * The request that this fiber serves, for logs and audit rows; all fields are null outside a request. `user_id` is set
 * once the caller is known. `caller` is the name that an RPC client gives itself.
 */
export interface RequestInfo {
  readonly request_id: string | null
  readonly ip_address: string | null
  user_id: UserId | null
  caller: string | null
}

const none: RequestInfo = Object.freeze({
  request_id: null,
  ip_address: null,
  user_id: null,
  caller: null,
})

export const RequestInfo = Context.Reference<RequestInfo>("plinth/domain/RequestInfo", {
  defaultValue: () => none,
})
