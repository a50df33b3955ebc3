import { Context, Effect, Exit, Layer, Scope } from "effect"
import { Address } from "./http/Server.ts"
import * as WorkerHttp from "./api/WorkerHttp.ts"
import * as App from "./App.ts"
import * as SystemCounts from "./business/operations/SystemCounts.ts"
import { drain } from "./core/Lifecycle.ts"
import * as Logger from "./core/telemetry/Logger.ts"
import * as Migrations from "./core/sql/Migrations.ts"
import { Settings } from "./core/settings/Settings.ts"
import * as Worker from "./jobs/Worker.ts"

/**
 * Starts the jobs before the HTTP listener of the worker, and stops them before it: while running jobs end, metrics can
 * still be scraped, and the readiness check reports that the process is draining.
 */
const workerLayer = Effect.fnUntraced(function* (jobs: typeof Worker.layer) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  yield* Layer.buildWithScope(jobs, scope)
  const { port } = Context.get(yield* Layer.build(WorkerHttp.layer), Address)
  yield* Effect.addFinalizer(() => Effect.andThen(drain, Scope.close(scope, Exit.void)))
  yield* Effect.logInfo("working").pipe(
    Effect.annotateLogs({ health: `http://localhost:${port}/health` }),
  )
}, Layer.effectDiscard)

export const workWith = (jobs: typeof Worker.layer) =>
  workerLayer(jobs).pipe(
    Layer.provide(SystemCounts.layer),
    Layer.provide(Migrations.layer),
    Layer.provide(App.layer),
    Layer.provide(Logger.layer),
    Layer.provide(Settings.layer),
    Layer.launch,
  )

/** The worker process: migrates, builds, listens, and runs jobs until it receives a stop signal. */
export const work = workWith(Worker.layer)
