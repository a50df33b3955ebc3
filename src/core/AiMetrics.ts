import { memoize } from "./Memoize.ts"
import type { Kinds } from "./MetricFamilies.ts"

/** Of the models of all providers; a model is one of a bounded number of names. */
export interface AiMetrics {
  /** One for each provider that is asked, to the end of its answer. */
  readonly llmRequest: (
    provider: string,
    model: string,
    status: "success" | "error",
    seconds: number,
  ) => void
  readonly llmTokens: (
    provider: string,
    model: string,
    type: "prompt" | "completion",
    tokens: number,
  ) => void
}

const buckets = [0.5, 1, 2.5, 5, 10, 20, 30, 60]

export const make = ({ counter, histogram }: Kinds): AiMetrics => {
  const requests = counter("llm_requests_total", "Calls of language models.")
  const tokens = counter("llm_tokens_total", "Tokens of prompts and completions.")
  const times = histogram(
    "llm_request_duration_seconds",
    "Time of a call of a language model, to the end of its answer.",
    buckets,
  )
  const seriesOf = memoize((provider: string) =>
    memoize((model: string) => {
      const labels = { provider, model }
      return {
        time: times(labels),
        requests: memoize((status: string) => requests({ ...labels, status })),
        tokens: memoize((type: string) => tokens({ ...labels, type })),
      }
    }),
  )
  return {
    llmRequest: (provider, model, status, seconds) => {
      const series = seriesOf(provider)(model)
      series.requests(status)(1)
      series.time(seconds)
    },
    llmTokens: (provider, model, type, count) => seriesOf(provider)(model).tokens(type)(count),
  }
}
