import "effect/schema/SchemaJITCompiler/enable"
import { run } from "./Run.ts"
import { work } from "./Work.ts"

run(work)
