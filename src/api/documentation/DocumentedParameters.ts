/** Descriptions of path and query parameters in the OpenAPI document, by name; their schemas have range and default. */
export const parameterDescriptions: Readonly<Record<string, string>> = {
  id: "The id of the user: the `sub` of their tokens.",
  user_id: "The id of the user: the `sub` of their tokens.",
  project_id: "The id of the project.",
  job_id: "The id of the job.",
  skip: "The number of items to skip.",
  limit: "The maximum number of items to return.",
  cursor: "The `next_cursor` of the previous page; empty for the first page.",
  search: "A case-insensitive substring to search for.",
  is_active: "Returns only active users with `true`, only deactivated users with `false`.",
  role: "Returns only users with this role.",
  state: "Returns only jobs in this state.",
  name: "Returns only jobs of this kind.",
  metric: "The key of a usage metric.",
  days: "The number of days (UTC), up to and including today.",
}
