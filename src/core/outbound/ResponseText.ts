import { Data, Effect, Stream } from "effect"
import type { HttpClientResponse } from "effect/http"

/** The body exceeds the limit. */
export class TooLongError extends Data.TaggedError("TooLongError") {}

/** Reads the body as text. Fails if it exceeds `maxBytes`, so that a service cannot exhaust our memory. */
export const textUpTo = (maxBytes: number) => (response: HttpClientResponse.HttpClientResponse) =>
  response.stream.pipe(
    Stream.runFoldEffect(
      () => ({ size: 0, chunks: [] as Array<Uint8Array> }),
      ({ size, chunks }, chunk) => {
        chunks.push(chunk)
        const total = size + chunk.length
        return total > maxBytes
          ? Effect.fail(new TooLongError())
          : Effect.succeed({ size: total, chunks })
      },
    ),
    Effect.map(({ chunks }) => Buffer.concat(chunks).toString()),
  )
