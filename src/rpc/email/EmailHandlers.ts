import { Effect } from "effect"
import { Emails } from "../../business/emails/Emails.ts"
import type { Enqueued } from "../../core/jobs/Queue.ts"
import {
  SendNotificationEmail,
  SendPasswordResetEmail,
  SendWelcomeEmail,
} from "../../domain/jobs/JobKinds.ts"
import { decoded } from "../Decoded.ts"
import { input } from "./EmailRpcs.ts"

const toResponse = ({ created, id }: Enqueued) => ({ job_id: id, created })

export const make = Effect.map(Emails, ({ enqueue }) => ({
  "email.welcome": decoded(input.welcome, ({ unique_key, ...mail }) =>
    Effect.map(enqueue(SendWelcomeEmail, mail, unique_key), toResponse),
  ),
  "email.passwordReset": decoded(input.passwordReset, ({ unique_key, ...mail }) =>
    Effect.map(enqueue(SendPasswordResetEmail, mail, unique_key), toResponse),
  ),
  "email.notify": decoded(input.notify, ({ unique_key, ...mail }) =>
    Effect.map(enqueue(SendNotificationEmail, mail, unique_key), toResponse),
  ),
}))
