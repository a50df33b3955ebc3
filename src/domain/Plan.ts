import { Schema } from "effect"
import { usageMetricKeys } from "./usage/Usage.ts"
import type { SubscriptionPlan } from "./users/User.ts"

/** The things a plan can limit: the number of projects, and every usage metric. */
export const limitedKeys = ["projects", ...usageMetricKeys] as const
export const Limited = Schema.Literals(limitedKeys)
export type Limited = typeof Limited.Type

/** Limits by key. Null or omitted means no limit. */
export type Limits = Readonly<Partial<Record<Limited, number | null>>>
type PlanLimits = Readonly<Record<SubscriptionPlan, Limits>>

const MB = 1_000_000
const GB = 1_000_000_000

/**
 * The default limits; PLAN_LIMITS overrides them. Flows are limited per calendar month (UTC), projects and storage by
 * their current amount.
 */
export const planLimits: PlanLimits = {
  free: { projects: 100, storage_bytes: 100 * MB, ai_tokens: 100_000, api_requests: 100_000 },
  pro: { projects: 1000, storage_bytes: 10 * GB, ai_tokens: 5_000_000, api_requests: 5_000_000 },
  enterprise: {},
}

const isLimited = Schema.is(Limited)

const LimitsOverride = Schema.Record(
  Schema.String,
  Schema.NullOr(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
).check(Schema.makeFilter((limits) => Object.keys(limits).every(isLimited)))

/** Overrides such as `{"free":{"ai_tokens":5000,"projects":null}}`. Limits that are not named are unchanged. */
export const PlanLimitsOverride = Schema.Struct({
  free: Schema.optionalKey(LimitsOverride),
  pro: Schema.optionalKey(LimitsOverride),
  enterprise: Schema.optionalKey(LimitsOverride),
})

export const withOverrides = (overrides: typeof PlanLimitsOverride.Type): PlanLimits => ({
  free: { ...planLimits.free, ...overrides.free },
  pro: { ...planLimits.pro, ...overrides.pro },
  enterprise: { ...planLimits.enterprise, ...overrides.enterprise },
})
