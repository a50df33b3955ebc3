import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { NotFoundError, QuotaExceededError, ServiceUnavailableError } from "../../domain/Errors.ts"
import { Cursor, CursorPage, limit, Page, search, skip } from "../../domain/Page.ts"
import { Project, ProjectId } from "../../domain/Project.ts"
import { enveloped } from "../../http/Envelope.ts"
import { idempotent } from "../../http/Policies.ts"

const project = Project.json.annotate({ identifier: "Project" })
const projectCreate = Project.jsonCreate.annotate({ identifier: "ProjectCreate" })
const projectUpdate = Project.jsonUpdate.annotate({ identifier: "ProjectUpdate" })

const params = { project_id: ProjectId }
const unavailable = enveloped(ServiceUnavailableError)
const notFound = enveloped(NotFoundError)

export class ProjectsApi extends HttpApiGroup.make("projects")
  .add(
    HttpApiEndpoint.get("list", "/", {
      query: {
        skip,
        limit,
        cursor: Schema.optionalKey(Cursor),
        search,
      },
      success: Schema.Union([Page(project), CursorPage(project)]),
      error: unavailable,
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List your projects",
        description:
          "Returns projects, newest first. With `cursor` (empty for the first page) the response has `next_cursor` instead of `total` and `skip`. `search` matches a case-insensitive substring of the name or description.",
      }),
    ),
    HttpApiEndpoint.post("create", "/", {
      payload: projectCreate,
      success: project.pipe(HttpApiSchema.status(201)),
      error: [enveloped(QuotaExceededError), unavailable],
    })
      .annotateMerge(
        OpenApi.annotations({
          summary: "Create a project",
          description:
            "Names need not be unique. Returns 402 when the plan's limit of projects is reached.",
        }),
      )
      .annotateMerge(idempotent),
    HttpApiEndpoint.get("get", "/:project_id", {
      params,
      success: project,
      error: [notFound, unavailable],
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Get a project",
        description: "Returns 404 for a project of another user.",
      }),
    ),
    HttpApiEndpoint.patch("update", "/:project_id", {
      params,
      payload: projectUpdate,
      success: project,
      error: [notFound, unavailable],
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Change a project",
        description:
          "Omitted fields stay unchanged, null clears a field, and `{}` changes nothing.",
      }),
    ),
    HttpApiEndpoint.delete("remove", "/:project_id", {
      params,
      error: [notFound, unavailable],
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Delete a project",
        description: "Hides the project immediately and removes it permanently later.",
      }),
    ),
  )
  .prefix("/projects")
  .annotateMerge(
    OpenApi.annotations({ title: "Projects", description: "Projects owned by the caller." }),
  ) {}
