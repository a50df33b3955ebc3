import { Api } from "../../api/Api.ts"
import { endpointsOf } from "../../api/hot/HotApi.ts"

/** Returns the endpoints of the contract, and why each is not on the hot path; null if it is. */
export const hotRoutes = () =>
  endpointsOf(Api).map(({ endpoint: { method, path }, obstacle }) => ({
    method,
    path,
    hot: obstacle === null,
    why: obstacle,
  }))
