/** `plinth/domain`: the entities and errors that both contracts use. */
export {
  AiCompletion,
  AiEvent,
  AiStatus,
  AiUsage,
  Complexity,
  FinishReason,
} from "../domain/ai/Ai.ts"
export { AiProviderName } from "../domain/ai/AiModels.ts"
export { AiChatInput, AiCompletionInput, AiRoutedInput } from "../domain/ai/AiInput.ts"
export * from "../domain/Errors.ts"
export { Timestamp } from "../domain/Fields.ts"
export { Job, JobId, JobState, JobStats } from "../domain/jobs/Job.ts"
export { Cursor, CursorPage, Page } from "../domain/Page.ts"
export { Limited } from "../domain/Plan.ts"
export { Project, type ProjectCreate, ProjectId, type ProjectPatch } from "../domain/Project.ts"
export { UsageMetric } from "../domain/usage/Usage.ts"
export * from "../domain/usage/UsageReport.ts"
export {
  AdminUser,
  AdminUserPatch,
  Role,
  SubscriptionPlan,
  SubscriptionStatus,
  User,
  UserId,
  type UserPatch,
} from "../domain/users/User.ts"
