import { Schema } from "effect"
import { Timestamp } from "../domain/Fields.ts"
import { Job, JobStats } from "../domain/Job.ts"
import { CursorPage, Page } from "../domain/Page.ts"
import { UsageSummary } from "../domain/UsageReport.ts"
import { AdminUser } from "../domain/User.ts"

/** What was looked at, by `doctor`. */
export const Finding = Schema.Struct({
  /** The tag, or the variable. */
  part: Schema.String,
  /** `broken`: a server would not start, or would refuse everybody. */
  status: Schema.Literals(["ok", "warning", "broken"]),
  /** Which implementation is live; null when none is. */
  live: Schema.NullOr(Schema.String),
  /** What chose it. */
  why: Schema.NullOr(Schema.String),
  /** What is wrong and what to do; null when nothing is. */
  advice: Schema.NullOr(Schema.String),
})

/** What was asked of a service, by `smoke`. */
export const Check = Schema.Struct({
  check: Schema.String,
  /** `skipped`: not asked for. */
  status: Schema.Literals(["ok", "failed", "skipped"]),
  detail: Schema.String,
})

const Migration = Schema.Struct({
  id: Schema.Int,
  name: Schema.String,
  /** Null when it has not run. */
  applied_at: Schema.NullOr(Timestamp),
  /** Whether this release has it. */
  known: Schema.Boolean,
})

/** What each command prints with `--json`. Scripts read it: a change of it is one of the contract. */
export const results = {
  doctor: Schema.Struct({ status: Finding.fields.status, findings: Schema.Array(Finding) }),
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
