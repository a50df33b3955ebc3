import "effect/schema/SchemaJITCompiler/enable"
import { run, serve } from "./Serve.ts"

run(serve)
