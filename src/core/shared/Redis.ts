import { Context, Effect, Layer, Redacted } from "effect"
import { Redis as EffectRedis } from "effect/persistence"
import type { Redis as Client, RedisOptions } from "ioredis"
import { ServiceUnavailableError } from "../../domain/Errors.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import { Settings } from "../settings/Settings.ts"

export interface Connection {
  /** Commands and subscriptions. While Redis is unreachable, commands fail immediately and subscriptions wait. */
  readonly redis: EffectRedis.Redis["Service"]
  /** Fails after `commandTimeoutMs`. */
  readonly ping: Effect.Effect<void, ServiceUnavailableError>
}

/**
 * The connection to REDIS_URL; null if it is not set. If Redis is unreachable, at start or later, it reconnects in the
 * background: it never fails the process.
 */
export class Redis extends Context.Service<Redis, Connection | null>()("plinth/core/shared/Redis") {
  static readonly layer = Layer.effect(
    this,
    Effect.flatMap(Settings, ({ REDIS_URL }) =>
      REDIS_URL === null ? Effect.succeed(null) : open(Redacted.value(REDIS_URL)),
    ),
  )
}

/** A command that takes longer means that the server hangs: the connections are closed and reopened. */
const commandTimeoutMs = 500
/** The time that startup waits for the first connection. */
const connectTimeout = "1 second"

const options: RedisOptions = {
  lazyConnect: true,
  connectTimeout: 2000,
  commandTimeout: commandTimeoutMs,
  keepAlive: 10_000,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  // `Channels` resubscribes at every `ready`, including subscriptions made while disconnected.
  autoResubscribe: false,
  retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), 1000),
}

const open = Effect.fnUntraced(function* (url: string) {
  // The named exports of a CommonJS module do not exist in the bundle.
  const { default: ioredis } = yield* Effect.promise(() => import("ioredis"))
  const metrics = yield* Metrics
  const runFork = Effect.runForkWith(yield* Effect.context())

  // Every failed attempt emits an error; only `ready` and `close` change the state.
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
      Effect.logWarning("redis unreachable; this process limits and caches locally").pipe(
        Effect.annotateLogs({ error: lastError }),
      ),
    )
  }
  client.on("close", markDown)
  client.on("ready", () => {
    if (!isDown) return
    isDown = false
    runFork(Effect.logInfo("redis reconnected"))
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
        {
          send: makeSend(dedicated, reconnectAll),
          close: Effect.sync(() => dedicated.disconnect()),
        },
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

/** Listeners by channel. Subscriptions survive reconnects. */
class Channels {
  private readonly listeners = new Map<string, Set<(message: string) => void>>()
  private readonly subscriber: Client

  constructor(subscriber: Client) {
    this.subscriber = subscriber
    subscriber.on("ready", () => this.subscribe(...this.listeners.keys()))
    subscriber.on("message", (channel, message) => {
      for (const notify of this.listeners.get(channel) ?? []) notify(message)
    })
  }

  /** Returns a function that removes the listener. */
  add(channel: string, listener: (message: string) => void) {
    const all = this.listeners.get(channel) ?? new Set()
    this.listeners.set(channel, all.add(listener))
    if (all.size === 1) this.subscribe(channel)
    return () => {
      all.delete(listener)
      if (all.size > 0) return
      this.listeners.delete(channel)
      if (isReady(this.subscriber)) this.subscriber.unsubscribe(channel).catch(() => undefined)
    }
  }

  /** A failed subscription is retried at the next `ready`. */
  private subscribe(...channels: ReadonlyArray<string>) {
    if (channels.length === 0 || !isReady(this.subscriber)) return
    this.subscriber.subscribe(...channels).catch(() => undefined)
  }
}

/** ECONNREFUSED, or the first word of Redis's error: WRONGPASS, NOAUTH. The rest may contain the address. */
const errorCode = (error: Error) =>
  "code" in error && typeof error.code === "string"
    ? error.code
    : (/^[A-Z]+/.exec(error.message)?.[0] ?? error.name)

const isReady = ({ status }: Client) => status === "ready"

const attempt = <A>(f: () => Promise<A>) =>
  Effect.tryPromise({ try: f, catch: (cause) => new EffectRedis.RedisError({ cause }) })

const makeSend =
  (client: Client, reconnect: () => void) =>
  <A>(command: string, ...args: ReadonlyArray<string>) =>
    Effect.callback<A, EffectRedis.RedisError>((resume) => {
      void client.call(command, [...args], (error, result) => {
        if (error === null || error === undefined) return resume(Effect.succeed(result as A))
        if (error.message === "Command timed out") reconnect()
        resume(Effect.fail(new EffectRedis.RedisError({ cause: error })))
      })
    })
