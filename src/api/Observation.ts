import { HttpApiMiddleware } from "effect/http-api"

/** Names the endpoint of a request, for its log line and metrics. Around everything else. */
export class Observation extends HttpApiMiddleware.Service<Observation>()(
  "plinth/api/Observation",
) {}
