import type { EmailContent } from "../../../domain/Email.ts"
import { compose, type Letterhead } from "./Base.ts"
import { figures, prose } from "./Block.ts"

interface DailyReport {
  /** `2026-11-26` */
  readonly date: string
  readonly users: {
    readonly total: number
    readonly active: number
    readonly new_last_24_hours: number
  }
  readonly projects: { readonly total: number; readonly new_last_24_hours: number }
  readonly jobs: { readonly failed: number; readonly waiting: number }
}

/** The report to ADMIN_EMAIL. */
export const dailyReport = (
  letterhead: Letterhead,
  { date, jobs, projects, users }: DailyReport,
): EmailContent => {
  const { project } = letterhead
  // A failed job counts until it is retried or its retention ends, however old it is.
  const failures = jobs.failed === 1 ? "1 failed job needs" : `${jobs.failed} failed jobs need`
  const summary = jobs.failed === 0 ? "No failed jobs." : `${failures} attention.`
  return compose(letterhead, {
    subject: `${project}: daily report for ${date}`,
    preview: summary,
    heading: `Daily report for ${date}`,
    blocks: [
      prose(summary),
      figures("Users", [
        { label: "Total", value: users.total },
        { label: "Active", value: users.active },
        { label: "New in the last 24 hours", value: users.new_last_24_hours },
      ]),
      figures("Projects", [
        { label: "Total", value: projects.total },
        { label: "New in the last 24 hours", value: projects.new_last_24_hours },
      ]),
      figures("Jobs", [
        { label: "Failed", value: jobs.failed },
        { label: "Waiting", value: jobs.waiting },
      ]),
    ],
    reason: `You receive this e-mail because your address is the ADMIN_EMAIL of ${project}.`,
  })
}
