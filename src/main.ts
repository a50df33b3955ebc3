import "effect/schema/SchemaJITCompiler/enable"
import { run } from "./Run.ts"
import { serve } from "./Serve.ts"

run(serve)
