export interface Finding {
  /** The tag, or the variable. */
  readonly part: string
  /** `broken`: a server would not start, or would refuse everybody. */
  readonly status: "ok" | "warning" | "broken"
  /** Which implementation is live; null when none is. */
  readonly live: string | null
  /** What chose it. */
  readonly why: string | null
  /** What is wrong and what to do; null when nothing is. */
  readonly advice: string | null
}

export const ok = (part: string, live: string, why: string): Finding => ({
  part,
  status: "ok",
  live,
  why,
  advice: null,
})

export const warning = (finding: Finding, advice: string): Finding => ({
  ...finding,
  status: "warning",
  advice,
})

export const broken = (finding: Finding, advice: string): Finding => ({
  ...finding,
  status: "broken",
  advice,
})
