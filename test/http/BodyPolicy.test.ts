import { connect } from "node:net"
import { assert, describe, it as plainIt, layer } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Schema, Stream } from "effect"
import {
  HttpApi,
  HttpApiBuilder,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpApiSchema,
} from "effect/http-api"
import { TestClock } from "effect/testing"
import * as AddressLimitHttp from "../../src/api/middleware/AddressLimitHttp.ts"
import * as InputHttp from "../../src/api/middleware/InputHttp.ts"
import { publicApi } from "../../src/api/Audiences.ts"
import { Limits } from "../../src/http/Limits.ts"
import { BodyPolicy } from "../../src/http/Policies.ts"
import * as Protocol from "../../src/http/Protocol.ts"
import { routesOf } from "../../src/http/Routes.ts"
import * as Server from "../../src/http/Server.ts"
import { answerOf, headOf } from "../fixtures/http/Answer.ts"
import { eventually } from "../fixtures/data/Eventually.ts"
import { bodyOf, failureOf, Http, send } from "../fixtures/http/Http.ts"
import { testAppWith } from "../TestApp.ts"

const globalLimit = 1024
const limits = { small: 100, hook: 4096, upload: 200_000 }

const bytesOf = (contentType: string) =>
  Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array({ contentType }))

const Received = Schema.Struct({ hex: Schema.String })
const Measured = Schema.Struct({ size: Schema.Int })

const Bodies = HttpApiGroup.make("bodies").add(
  HttpApiEndpoint.post("usual", "/usual", { payload: Measured, success: Measured }),
  HttpApiEndpoint.post("small", "/small", { payload: Measured, success: Measured }).annotate(
    BodyPolicy,
    { kind: "json", maxBytes: limits.small },
  ),
  HttpApiEndpoint.post("hook", "/hook", {
    payload: bytesOf("application/json"),
    success: Received,
  }).annotate(BodyPolicy, { kind: "raw", maxBytes: limits.hook }),
  HttpApiEndpoint.post("upload", "/upload", {
    payload: HttpApiSchema.StreamUint8Array(),
    success: Measured,
  }).annotate(BodyPolicy, { kind: "stream", maxBytes: limits.upload }),
  HttpApiEndpoint.post("glance", "/glance", {
    payload: HttpApiSchema.StreamUint8Array(),
    success: Measured,
  }).annotate(BodyPolicy, { kind: "stream", maxBytes: limits.upload }),
  HttpApiEndpoint.post("form", "/form", {
    payload: Schema.Struct({}).pipe(HttpApiSchema.asMultipartStream()),
    success: Measured,
  }).annotate(BodyPolicy, { kind: "stream", maxBytes: limits.upload }),
)

class Sample extends HttpApi.make("sample").addHttpApi(publicApi(Bodies)) {}

const sizeOf = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => ({
    size: chunks.reduce((size, chunk) => size + chunk.length, 0),
  }))

const handlers = HttpApiBuilder.group(Sample, "bodies", (handlers) =>
  handlers.handleAll({
    usual: ({ payload }) => Effect.succeed(payload),
    small: ({ payload }) => Effect.succeed(payload),
    hook: ({ payload }) => Effect.succeed({ hex: Buffer.from(payload).toString("hex") }),
    upload: ({ payload }) => sizeOf(payload),
    glance: ({ payload }) => sizeOf(Stream.take(payload, 1)),
    form: ({ payload }) =>
      payload.pipe(
        Stream.flatMap((part) => (part._tag === "File" ? part.content : Stream.empty)),
        sizeOf,
        Effect.orDie,
      ),
  }),
)

const routes = Layer.merge(
  HttpApiBuilder.layer(Sample).pipe(
    Layer.provide(handlers),
    Layer.provide([InputHttp.layer, AddressLimitHttp.layer]),
    Layer.provide(Limits.layer),
  ),
  Protocol.layerOf(routesOf(Sample)),
)

const server = Server.layerOf(routes, "PORT").pipe(
  Layer.provideMerge(testAppWith({ BODY_LIMIT_BYTES: String(globalLimit) })),
)

const post = (path: string, body: Uint8Array, type = "application/octet-stream") =>
  send({
    path: `/public/${path}`,
    method: "POST",
    body,
    headers: { "content-type": type, "content-length": String(body.length) },
  })

const json = (size: number) => Buffer.from(`{"size":1}${" ".repeat(size - 10)}`)

/** A request in parts on a connection of its own. */
const partsOf = (path: string, ...headers: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { port } = yield* Server.Address
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => connect({ host: "127.0.0.1", port })),
      (used) => Effect.sync(() => used.destroy()),
    )
    let text = ""
    socket.setEncoding("latin1")
    socket.on("data", (part) => (text += String(part)))
    socket.on("error", () => undefined)
    const write = (part: string) => Effect.sync(() => socket.write(part))
    yield* write([`POST /public/${path} HTTP/1.1`, "Host: a", ...headers, "", ""].join("\r\n"))
    const answer = Effect.suspend(() => {
      const [head = "", content = ""] = text.split("\r\n\r\n")
      const { headers: received, status } = headOf(head)
      return Effect.succeed(answerOf(status, received, content))
    })
    return {
      write,
      isAnswered: () => text !== "",
      receives: (pattern: RegExp) => eventually(Effect.sync(() => pattern.test(text))),
      answer: Effect.andThen(eventually(Effect.sync(() => text.endsWith("}"))), answer),
    }
  })

const form = (size: number) =>
  Buffer.from(
    `--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: image/png\r\n\r\n${"a".repeat(size)}\r\n--b--\r\n`,
  )

const octets = "Content-Type: application/octet-stream"
const chunked = "Transfer-Encoding: chunked"
const chunkOf = (size: number) => `${size.toString(16)}\r\n${"a".repeat(size)}\r\n`

/** Lets the server receive what was sent before. */
const settle = Effect.scoped(
  Effect.flatMap(partsOf("none", "Content-Length: 0"), ({ answer }) => answer),
)

const pass = (seconds: number) =>
  Effect.andThen(settle, Effect.andThen(TestClock.adjust(`${seconds} seconds`), settle))

layer(Http.layer.pipe(Layer.provideMerge(server)), { excludeTestServices: true })(
  "BodyPolicy",
  (it) => {
    it.effect("gives a raw endpoint the bytes as they were sent", () =>
      Effect.gen(function* () {
        const bytes = Uint8Array.from({ length: 2048 }, (_, index) => index % 256)
        const answer = yield* post("hook", bytes, "application/json; charset=utf-8")
        assert.strictEqual(answer.status, 200)
        assert.strictEqual(
          bodyOf<typeof Received.Type>(answer).hex,
          Buffer.from(bytes).toString("hex"),
        )
      }),
    )

    const sizes = [
      ["usual", "application/json", globalLimit],
      ["small", "application/json", limits.small],
      ["hook", "application/json", limits.hook],
      ["upload", "application/octet-stream", limits.upload],
    ] as const
    for (const [path, type, limit] of sizes) {
      it.effect(`takes ${limit} bytes at /${path} and refuses one more before it reads them`, () =>
        Effect.gen(function* () {
          assert.strictEqual((yield* post(path, json(limit), type)).status, 200)
          const { answer } = yield* partsOf(
            path,
            `Content-Type: ${type}`,
            `Content-Length: ${limit + 1}`,
          )
          const refused = yield* answer
          assert.strictEqual(refused.status, 413)
          assert.strictEqual(refused.headers["connection"], "close")
          assert.deepStrictEqual(failureOf(refused), {
            code: "PAYLOAD_TOO_LARGE",
            message: "The body is over the limit",
            details: { limit },
          })
        }),
      )

      it.effect(`counts the bytes of a body without a length at /${path}`, () =>
        Effect.gen(function* () {
          const { answer, write } = yield* partsOf(path, `Content-Type: ${type}`, chunked)
          yield* write(chunkOf(limit))
          yield* write(chunkOf(1))
          const refused = yield* answer
          assert.strictEqual(refused.status, 413)
          assert.deepStrictEqual(failureOf(refused).details, { limit })
        }),
      )
    }

    it.effect("refuses other media types with those of the endpoint", () =>
      Effect.gen(function* () {
        for (const [path, accepted] of [
          ["usual", "application/json"],
          ["hook", "application/json"],
          ["upload", "application/octet-stream"],
          ["form", "multipart/form-data"],
        ] as const) {
          const answer = yield* post(path, json(20), "text/plain")
          assert.strictEqual(answer.status, 415)
          assert.deepStrictEqual(failureOf(answer).details, { accepted })
        }
      }),
    )

    it.effect("streams the parts of a form that is larger than the global limit", () =>
      Effect.gen(function* () {
        const type = "multipart/form-data; boundary=b"
        const answer = yield* post("form", form(150_000), type)
        assert.deepStrictEqual([answer.status, answer.json], [200, { size: 150_000 }])
        assert.strictEqual((yield* post("form", form(limits.upload), type)).status, 413)
      }),
    )
  },
)

layer(server)("A streamed body", (it) => {
  it.effect("may take any time while it makes progress", () =>
    Effect.gen(function* () {
      const { answer, isAnswered, write } = yield* partsOf("upload", octets, "Content-Length: 40")
      for (let sent = 0; sent < 40; sent++) {
        assert.isFalse(isAnswered())
        yield* write("a")
        yield* pass(29)
      }
      assert.deepStrictEqual((yield* answer).json, { size: 40 })
    }),
  )

  it.effect("is refused with 408 after 30 s without a byte", () =>
    Effect.gen(function* () {
      const { answer, isAnswered, write } = yield* partsOf("upload", octets, "Content-Length: 40")
      yield* write("a")
      yield* pass(2)
      yield* pass(27)
      assert.isFalse(isAnswered())
      yield* pass(3)
      const { headers, status } = yield* answer
      assert.deepStrictEqual([status, headers["connection"]], [408, "close"])
    }),
  )

  it.effect("may stay unread without closing the connection", () =>
    Effect.gen(function* () {
      const { answer, receives, write } = yield* partsOf("glance", octets, "Content-Length: 100000")
      yield* write("a".repeat(10))
      const { headers, status } = yield* answer
      assert.deepStrictEqual([status, headers["connection"]], [200, "keep-alive"])
      yield* write("a".repeat(99_990))
      yield* write("GET /public/none HTTP/1.1\r\nHost: a\r\n\r\n")
      yield* receives(/HTTP\/1.1 404 /)
    }),
  )
})

describe("An endpoint whose payload is not JSON", () => {
  plainIt.live("keeps the server from starting without a BodyPolicy", () =>
    Effect.gen(function* () {
      class Forgetful extends HttpApi.make("forgetful").addHttpApi(
        publicApi(
          HttpApiGroup.make("bodies").add(
            HttpApiEndpoint.post("upload", "/upload", {
              payload: HttpApiSchema.StreamUint8Array(),
            }),
          ),
        ),
      ) {}
      const forgetful = HttpApiBuilder.group(Forgetful, "bodies", (handlers) =>
        handlers.handle("upload", () => Effect.void),
      )
      const started = HttpApiBuilder.layer(Forgetful).pipe(
        Layer.provide(forgetful),
        Layer.provide([InputHttp.layer, AddressLimitHttp.layer]),
        Layer.provide(Limits.layer),
        (routes) => Server.layerOf(routes, "PORT"),
        Layer.provide(testAppWith({})),
      )
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(started)))
      assert(Exit.isFailure(exit))
      assert.match(Cause.pretty(exit.cause), /POST \/public\/upload takes no JSON/)
    }),
  )
})
