import { Layer } from "effect"
import { DailyReportRepo } from "./DailyReportRepo.ts"
import { Emails } from "./Emails.ts"

/** E-mails to users and operators. */
export const layer = Emails.layer.pipe(Layer.provideMerge(DailyReportRepo.layer))
