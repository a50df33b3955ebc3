import { Layer } from "effect"
import { Users } from "./Users.ts"
import { UsersRepo } from "./UsersRepo.ts"

/** Users: sign-in, profiles, administration. */
export const layer = Users.layer.pipe(Layer.provideMerge(UsersRepo.layer))
