import { Context, Effect, Exit, Layer, Scope } from "effect"
import { Address } from "./http/Server.ts"
import * as WorkerHttp from "./api/WorkerHttp.ts"
import * as App from "./App.ts"
import * as SystemMetrics from "./business/SystemMetrics.ts"
import { drain } from "./core/Lifecycle.ts"
import * as Logger from "./core/Logger.ts"
import * as Migrations from "./core/Migrations.ts"
import { Settings } from "./core/Settings.ts"
import * as Worker from "./jobs/Worker.ts"

/**
 * Listens last, when all is there that does jobs, and goes on answering while they end: their metrics can be scraped
 * until then, and the readiness says that the process drains.
 */
const working = Effect.fnUntraced(function* (jobs: typeof Worker.layer) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  yield* Layer.buildWithScope(jobs, scope)
  const { port } = Context.get(yield* Layer.build(WorkerHttp.layer), Address)
  yield* Effect.addFinalizer(() => Effect.andThen(drain, Scope.close(scope, Exit.void)))
  yield* Effect.logInfo("working").pipe(
    Effect.annotateLogs({ health: `http://localhost:${port}/health` }),
  )
}, Layer.effectDiscard)

export const workWith = (jobs: typeof Worker.layer) =>
  working(jobs).pipe(
    Layer.provide(SystemMetrics.layer),
    Layer.provide(Migrations.layer),
    Layer.provide(App.layer),
    Layer.provide(Logger.layer),
    Layer.provide(Settings.layer),
    Layer.launch,
  )

/** The worker process: migrate, build, listen, and do jobs until it is told to stop. */
export const work = workWith(Worker.layer)
