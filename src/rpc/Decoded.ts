import { Effect, Schema, Stream } from "effect"
import { Issues } from "../domain/Issues.ts"

type Input = Schema.Codec<unknown, unknown>

const decoder = <In extends Input>(input: In) => {
  const decode = Schema.decodeUnknownEffect(input)
  return (payload: unknown) =>
    Effect.mapError(decode(payload, { errors: "all" }), ({ issue }) => Issues.of(issue).error)
}

/** A handler of what this schema decodes. */
export const decoded = <In extends Input, A, E, R>(
  input: In,
  handle: (value: In["Type"]) => Effect.Effect<A, E, R>,
) => {
  const decode = decoder(input)
  return (payload: unknown) => Effect.flatMapEager(decode(payload), handle)
}

/** The same, which answers with a stream. */
export const decodedStream = <In extends Input, A, E, R>(
  input: In,
  handle: (value: In["Type"]) => Stream.Stream<A, E, R>,
) => {
  const decode = decoder(input)
  return (payload: unknown) => Stream.unwrap(Effect.map(decode(payload), handle))
}
