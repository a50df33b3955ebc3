import { HttpApiMiddleware } from "effect/http-api"

/** Sets the endpoint of a request, for its log line and metrics. The outermost middleware. */
export class Observation extends HttpApiMiddleware.Service<Observation>()(
  "plinth/api/Observation",
) {}
