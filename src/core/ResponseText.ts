import { Data, Effect, Stream } from "effect"
import type { HttpClientResponse } from "effect/http"

/** The body went on and on. */
export class TooLongError extends Data.TaggedError("TooLongError") {}

/** The whole body, if it has no more than that many bytes: who answers is not trusted with our memory. */
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
