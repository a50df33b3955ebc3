import { Config, Option, Schema } from "effect"
import { withOverrides, PlanLimitsOverride, planLimits } from "../../domain/Plan.ts"
import { checked, flag } from "./Variables.ts"

export const variables = () => ({
  PLAN_LIMITS: planLimitsFrom("PLAN_LIMITS"),
  USAGE_TRACKING_ENABLED: flag("USAGE_TRACKING_ENABLED", true),
})

const decodeOverrides = Schema.decodeUnknownOption(Schema.fromJsonString(PlanLimitsOverride), {
  onExcessProperty: "error",
})

const planLimitsFrom = (name: string) =>
  checked(
    name,
    'must be a JSON object of plans and their limits, like {"free":{"ai_tokens":5000,"projects":null}}',
    (value) => Option.isSome(decodeOverrides(value)),
  ).pipe(
    Config.map((value) => withOverrides(Option.getOrElse(decodeOverrides(value), () => ({})))),
    Config.withDefault(planLimits),
  )
