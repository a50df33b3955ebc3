import { Effect } from "effect"
import { Jobs } from "../../business/operations/Jobs.ts"
import { decoded } from "../Decoded.ts"
import { input } from "./JobsRpcs.ts"

export const make = Effect.map(Jobs, (jobs) => ({
  "jobs.list": decoded(input.list, jobs.list),
  "jobs.get": decoded(input.byId, ({ id }) => jobs.get(id)),
  "jobs.stats": decoded(input.stats, () => jobs.stats),
  "jobs.enqueue": decoded(input.enqueue, ({ delay_seconds, name, payload, priority, unique_key }) =>
    jobs.enqueue("operator", name, payload, {
      delay: `${delay_seconds} seconds`,
      priority,
      ...(unique_key !== undefined && { uniqueKey: unique_key }),
    }),
  ),
  "jobs.retry": decoded(input.byId, ({ id }) => jobs.retry("operator", id)),
  "jobs.cancel": decoded(input.byId, ({ id }) => jobs.cancel("operator", id)),
}))
