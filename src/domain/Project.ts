import { Schema } from "effect"
import { Model } from "effect/schema"
import * as Fields from "./Fields.ts"
import { UserId } from "./users/User.ts"

export const ProjectId = Schema.String.annotate({
  description: "The id of the project.",
  examples: ["0198c3d0-6f1e-7c3a-9b1d-2f4c5e6a7b8c"],
}).pipe(Schema.brand("ProjectId"))
export type ProjectId = typeof ProjectId.Type

/**
 * A project. One declaration gives six schemas: `Project`, `.insert` and `.update` for the database; `.json`,
 * `.jsonCreate` and `.jsonUpdate` for the API.
 */
export class Project extends Model.Class<Project>("Project")({
  id: Model.GeneratedByApp(ProjectId),
  owner_id: Model.GeneratedByApp(UserId),
  name: Fields.Required(Fields.text({ max: 255, example: "Analytical engine" })),
  description: Fields.Nullable(
    Fields.text({ max: 2000, min: 0, example: "Computes Bernoulli numbers" }),
  ),
  created_at: Fields.CreatedAt,
  updated_at: Fields.UpdatedAt,
}) {}

export type ProjectCreate = typeof Project.jsonCreate.Type
export type ProjectPatch = typeof Project.jsonUpdate.Type
