import { memoize } from "../Memoize.ts"
import type { Registry } from "./Registry.ts"

/** Metrics of background jobs. */
export interface JobMetrics {
  /** `failed` counts attempts; `enqueued` counts committed jobs. */
  readonly job: (name: string, status: "enqueued" | "started" | "completed" | "failed") => void
  /** Records the duration of an attempt, whether or not it succeeded. */
  readonly jobDuration: (name: string, seconds: number) => void
}

const buckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

export const make = ({ counter, histogram }: Registry): JobMetrics => {
  const jobs = counter("background_jobs_total", "Background jobs by status.")
  const jobsOf = memoize((job_name: string) =>
    memoize((status: string) => jobs({ job_name, status })),
  )
  const times = histogram(
    "background_job_duration_seconds",
    "Duration of background job attempts.",
    buckets,
  )
  const timesOf = memoize((job_name: string) => times({ job_name }))

  return {
    job: (name, status) => jobsOf(name)(status)(1),
    jobDuration: (name, seconds) => timesOf(name)(seconds),
  }
}
