import { memoize } from "../Memoize.ts"
import type { Registry } from "./Registry.ts"

/** Metrics of AI models. Callers must pass a bounded set of model names. */
export interface AiMetrics {
  /** Records one provider call, measured to the end of its response. */
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

export const make = ({ counter, histogram }: Registry): AiMetrics => {
  const requests = counter("llm_requests_total", "Requests to language models.")
  const tokens = counter("llm_tokens_total", "Prompt and completion tokens.")
  const times = histogram(
    "llm_request_duration_seconds",
    "Duration of language model requests, to the end of the response.",
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
