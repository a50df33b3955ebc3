import { Schema } from "effect"
import { Timestamp } from "../domain/Fields.ts"
import { Job, JobStats } from "../domain/jobs/Job.ts"
import { CursorPage, Page } from "../domain/Page.ts"
import { UsageSummary } from "../domain/usage/UsageReport.ts"
import { AdminUser } from "../domain/users/User.ts"

/** One finding of `doctor`. */
export const Finding = Schema.Struct({
  /** A part of the server, or a variable. */
  part: Schema.String,
  /** `broken`: a server would not start, or would reject every user. */
  status: Schema.Literals(["ok", "warning", "broken"]),
  /** The implementation in use; null when there is none. */
  live: Schema.NullOr(Schema.String),
  /** The setting that chose it. */
  why: Schema.NullOr(Schema.String),
  /** The problem and what to do; null when there is no problem. */
  advice: Schema.NullOr(Schema.String),
})

/** One check of `smoke`. */
export const Check = Schema.Struct({
  check: Schema.String,
  /** `skipped`: the check needs PLINTH_TOKEN, which is not set. */
  status: Schema.Literals(["ok", "failed", "skipped"]),
  detail: Schema.String,
})

const Migration = Schema.Struct({
  id: Schema.Int,
  name: Schema.String,
  /** Null when it has not run. */
  applied_at: Schema.NullOr(Timestamp),
  /** True if this release has the migration. */
  known: Schema.Boolean,
})

const HotRoute = Schema.Struct({
  method: Schema.String,
  path: Schema.String,
  /** True if the hot path answers plain requests to this endpoint. */
  hot: Schema.Boolean,
  /** The reason if it does not. */
  why: Schema.NullOr(Schema.String),
})

/** The output of each command with `--json`. Scripts read it: it is part of the contract. */
export const results = {
  doctor: Schema.Struct({ status: Finding.fields.status, findings: Schema.Array(Finding) }),
  "doctor --routes": Schema.Struct({ routes: Schema.Array(HotRoute) }),
  migrate: Schema.Struct({ applied: Schema.Array(Schema.String) }),
  "migrate status": Schema.Struct({ migrations: Schema.Array(Migration), pending: Schema.Int }),
  "migrate down": Schema.Struct({ rolled_back: Schema.NullOr(Schema.String) }),
  "migrate rename": Schema.Struct({ from: Schema.String, to: Schema.String }),
  smoke: Schema.Struct({
    status: Schema.Literals(["ok", "failed"]),
    url: Schema.String,
    checks: Schema.Array(Check),
  }),
  "users list": Page(AdminUser),
  "users show": AdminUser,
  "users create": AdminUser,
  "users promote": AdminUser,
  "users demote": AdminUser,
  "users activate": AdminUser,
  "users deactivate": AdminUser,
  "users relink": AdminUser,
  "jobs list": CursorPage(Job),
  "jobs show": Job,
  "jobs stats": JobStats,
  "jobs enqueue": Job,
  "jobs retry": Job,
  "jobs cancel": Job,
  "usage show": UsageSummary,
}
