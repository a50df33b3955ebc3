import { Context, Effect, Layer, Redacted } from "effect"
import { Redis as EffectRedis } from "effect/persistence"
import type { Redis as Client, RedisOptions } from "ioredis"
import { ServiceUnavailableError } from "../domain/Errors.ts"
import { Metrics } from "./Metrics.ts"
import { Settings } from "./Settings.ts"

export interface Connection {
  /** For what shares its state there. While the server is away everything fails at once, and subscriptions wait. */
  readonly redis: EffectRedis.Redis["Service"]
  /** Answers within `commandTimeout`. */
  readonly ping: Effect.Effect<void, ServiceUnavailableError>
}

/**
 * The Redis of REDIS_URL; null when that is not set. One that is away at start, or goes away later, is connected to
 * when it comes: nothing here ever fails the process.
 */
export class Redis extends Context.Service<Redis, Connection | null>()("plinth/core/Redis") {
  static readonly layer = Layer.effect(
    this,
    Effect.flatMap(Settings, ({ REDIS_URL }) =>
      REDIS_URL === null ? Effect.succeed(null) : open(Redacted.value(REDIS_URL)),
    ),
  )
}

/** A command that takes longer, in ms, has met a server that hangs: its connection is given up. */
const commandTimeout = 500
/** How long a start waits for the first connection. */
const connectTimeout = "1 second"

const options: RedisOptions = {
  lazyConnect: true,
  connectTimeout: 2000,
  commandTimeout,
  keepAlive: 10_000,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  // Ours is done at every `ready`: a subscription may have been asked for while nothing was connected.
  autoResubscribe: false,
  retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), 1000),
}

const open = Effect.fnUntraced(function* (url: string) {
  // Named exports of CommonJS are not there in the bundle.
  const { default: ioredis } = yield* Effect.promise(() => import("ioredis"))
  const metrics = yield* Metrics
  const runFork = Effect.runForkWith(yield* Effect.context())

  // Each failed attempt tells an error; what came of it, `ready` and `close` say.
  let lastError = "closed"
  const make = () => {
    const client = new ioredis.Redis(url, options)
    client.on("error", (error: Error) => (lastError = errorCode(error)))
    return client
  }
  const acquire = Effect.acquireRelease(Effect.sync(make), (client) =>
    Effect.sync(() => client.disconnect()),
  )
  const client = yield* acquire
  const subscriber = yield* acquire
  const clients = [client, subscriber]
  metrics.redis(() => clients.filter(isReady).length)

  let isDown = false
  const markDown = () => {
    if (isDown) return
    isDown = true
    runFork(
      Effect.logWarning("Redis is away: this process counts and caches for itself").pipe(
        Effect.annotateLogs({ error: lastError }),
      ),
    )
  }
  client.on("close", markDown)
  client.on("ready", () => {
    if (!isDown) return
    isDown = false
    runFork(Effect.logInfo("Redis is back"))
  })
  const reconnectAll = () => {
    if (isDown) return
    markDown()
    for (const hung of clients) hung.disconnect(true)
  }
  const send = makeSend(client, reconnectAll)

  const channels = new Channels(subscriber)
  const redis = yield* EffectRedis.make({
    send,
    subscribe: (channel, onMessage) =>
      Effect.as(
        Effect.acquireRelease(
          Effect.sync(() => channels.add(channel, (message) => onMessage({ channel, message }))),
          (remove) => Effect.sync(remove),
        ),
        Effect.never,
      ),
    connect: Effect.suspend(() => {
      const dedicated = make()
      return Effect.as(
        attempt(() => dedicated.connect()),
        { send: makeSend(dedicated, reconnectAll), close: Effect.sync(() => dedicated.disconnect()) },
      )
    }),
  })

  yield* Effect.addFinalizer(() => Effect.sync(() => (isDown = true)))

  yield* Effect.forEach(clients, (one) => attempt(() => one.connect()), {
    concurrency: "unbounded",
  }).pipe(Effect.timeout(connectTimeout), Effect.ignore)

  const ping = Effect.mapError(
    send("PING"),
    (cause) => new ServiceUnavailableError({ service: "redis", cause }),
  )
  return { redis, ping: Effect.asVoid(ping) } satisfies Connection
})

/** Who listens to what, over all that happens to the connection. */
class Channels {
  private readonly listeners = new Map<string, Set<(message: string) => void>>()
  private readonly subscriber: Client

  constructor(subscriber: Client) {
    this.subscriber = subscriber
    subscriber.on("ready", () => this.subscribe(...this.listeners.keys()))
    subscriber.on("message", (channel, message) => {
      for (const tell of this.listeners.get(channel) ?? []) tell(message)
    })
  }

  /** Answers how to stop. */
  add(channel: string, tell: (message: string) => void) {
    const all = this.listeners.get(channel) ?? new Set()
    this.listeners.set(channel, all.add(tell))
    if (all.size === 1) this.subscribe(channel)
    return () => {
      all.delete(tell)
      if (all.size > 0) return
      this.listeners.delete(channel)
      if (isReady(this.subscriber)) this.subscriber.unsubscribe(channel).catch(() => undefined)
    }
  }

  /** What fails here is asked for again at the next `ready`. */
  private subscribe(...channels: ReadonlyArray<string>) {
    if (channels.length === 0 || !isReady(this.subscriber)) return
    this.subscriber.subscribe(...channels).catch(() => undefined)
  }
}

/** ECONNREFUSED, or the first word of what Redis says: WRONGPASS, NOAUTH. The rest may hold the address. */
const errorCode = (error: Error) =>
  "code" in error && typeof error.code === "string"
    ? error.code
    : (/^[A-Z]+/.exec(error.message)?.[0] ?? error.name)

const isReady = ({ status }: Client) => status === "ready"

const attempt = <A>(f: () => Promise<A>) =>
  Effect.tryPromise({ try: f, catch: (cause) => new EffectRedis.RedisError({ cause }) })

const makeSend =
  (client: Client, giveUp: () => void) =>
  <A>(command: string, ...args: ReadonlyArray<string>) =>
    Effect.callback<A, EffectRedis.RedisError>((resume) => {
      void client.call(command, [...args], (error, result) => {
        if (error === null || error === undefined) return resume(Effect.succeed(result as A))
        if (error.message === "Command timed out") giveUp()
        resume(Effect.fail(new EffectRedis.RedisError({ cause: error })))
      })
    })
