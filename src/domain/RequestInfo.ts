import { Context } from "effect"
import type { UserId } from "./User.ts"

/**
 * The request that this fiber serves, for logs and audit rows; all null outside of one. `user_id` is filled in
 * once the caller is known; `caller` is the name that a service gave itself, over RPC.
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
