import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { connect } from "node:net"
import { setTimeout } from "node:timers/promises"
import { Context, Effect, Layer } from "effect"
import { programs } from "../scripts/Programs.ts"
import { freePort } from "./FreePort.ts"

/** A real Redis on its own port, without persistence. */
export class RedisServer extends Context.Service<
  RedisServer,
  {
    readonly url: string
    /** Sends SIGKILL. */
    readonly kill: Effect.Effect<void>
    /** Starts the server again, empty, on the same port. */
    readonly start: Effect.Effect<void>
    /** Sends SIGSTOP: connections stay open, and nothing answers. */
    readonly freeze: Effect.Effect<void>
    readonly thaw: Effect.Effect<void>
  }
>()("plinth/test/RedisServer") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const port = yield* freePort
      let server: ChildProcess | undefined
      const start = Effect.suspend(() => {
        server = spawn(
          programs.redis.command,
          ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
          { stdio: "ignore" },
        )
        return untilListening(port)
      })
      const kill = Effect.suspend(() => {
        if (server?.kill("SIGKILL") !== true) return Effect.void
        const killed = server
        return Effect.promise(() => once(killed, "exit"))
      })
      yield* Effect.acquireRelease(start, () => kill)
      const signal = (name: "SIGSTOP" | "SIGCONT") => Effect.sync(() => server?.kill(name))
      return {
        url: `redis://127.0.0.1:${port}`,
        kill,
        start,
        freeze: signal("SIGSTOP"),
        thaw: signal("SIGCONT"),
      }
    }),
  )
}

/** Waits until the server accepts connections. */
const untilListening = (port: number): Effect.Effect<void> =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ host: "127.0.0.1", port })
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.flatMap((isListening) =>
      isListening
        ? Effect.void
        : Effect.andThen(
            sleep(10),
            Effect.suspend(() => untilListening(port)),
          ),
    ),
  )

/** Sleeps in real time, also under a test clock. */
export const sleep = (millis: number) => Effect.promise(() => setTimeout(millis))
