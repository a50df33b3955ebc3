import { Layer } from "effect"
import { Projects } from "./Projects.ts"
import { ProjectsRepo } from "./ProjectsRepo.ts"

/** Projects of users. */
export const layer = Projects.layer.pipe(Layer.provideMerge(ProjectsRepo.layer))
