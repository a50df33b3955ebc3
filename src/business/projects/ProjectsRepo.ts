import { Context, Effect, Layer } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import * as Repository from "../../core/sql/Repository.ts"
import { contains } from "../../core/sql/Search.ts"
import { Project } from "../../domain/Project.ts"

export class ProjectsRepo extends Context.Service<
  ProjectsRepo,
  Repository.SoftDeleting<typeof Project, "owner_id"> & {
    /** Returns the condition that name or description contains the text. Without a text, undefined: all rows match. */
    readonly matching: (search: string | undefined) => Statement.Fragment | undefined
  }
>()("plinth/business/projects/ProjectsRepo") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const repository = yield* Repository.makeSoftDeleting(Project, {
        table: "projects",
        resource: "Project",
        scope: "owner_id",
      })
      return ProjectsRepo.of({
        ...repository,
        matching: (search) => (search ? contains(sql, ["name", "description"], search) : undefined),
      })
    }),
  )
}
