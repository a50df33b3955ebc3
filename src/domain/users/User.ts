import { Context, Schema } from "effect"
import { Model } from "effect/schema"
import { maxLength } from "../Bounds.ts"
import * as Fields from "../Fields.ts"

/** The `sub` of a token, 1 to 255 characters; not always a UUID. */
export const UserId = Schema.String.annotate({
  description: "The id of the user: the `sub` of their tokens.",
  examples: ["user_2abc"],
}).pipe(Schema.brand("UserId"))
export type UserId = typeof UserId.Type

export const Role = Schema.Literals(["user", "admin", "superadmin"])
export type Role = typeof Role.Type

/** Roles by what they allow: a higher rank includes all lower ones. */
export const rankOf = (role: Role) => ranks[role]

const ranks: Readonly<Record<Role, number>> = { user: 0, admin: 1, superadmin: 2 }

export const SubscriptionPlan = Schema.Literals(["free", "pro", "enterprise"])
export type SubscriptionPlan = typeof SubscriptionPlan.Type

export const SubscriptionStatus = Schema.Literals([
  "none",
  "trialing",
  "active",
  "past_due",
  "canceled",
  "expired",
])
export type SubscriptionStatus = typeof SubscriptionStatus.Type

const fullName = Fields.text({ max: maxLength.fullName, min: 0, example: "Ada Lovelace" })

const address = Fields.text({
  max: maxLength.avatarUrl,
  format: "uri",
  example: "https://example.com/ada.png",
})

const avatarUrl = {
  plain: address.plain,
  input: address.input.check(
    Schema.makeFilter((value) => isHttps(value) || "must be an https URL"),
  ),
}

/** Tests for an https URL without credentials. */
export const isHttps = (value: string) =>
  /^https:\/\/[^\s]+$/i.test(value) && URL.canParse(value) && new URL(value).username === ""

/** A column that only the server sets; never part of an input. */
const serverSet = <S extends Schema.Top>(schema: S) =>
  Model.Field({ select: schema, insert: schema, update: schema, json: schema })

/** A column that only admins see. */
const adminOnly = <S extends Schema.Top>(schema: S) =>
  Model.Field({ select: schema, insert: schema, update: schema })

/**
 * A user, created on the first request of a `sub`. The e-mail follows the token; name and picture are taken from the
 * token only when the user is created. `email_key` is the case-folded e-mail, because e-mails are unique regardless of
 * case. `closed_at` is the time at which the user closed the account, which is anonymised after the retention.
 * `last_token_iat` is the newest `iat` seen, in Unix seconds: a newer one counts as a login.
 */
export class User extends Model.Class<User>("User")({
  id: Model.GeneratedByApp(UserId),
  email: serverSet(
    Schema.NullOr(Schema.String.annotate({ format: "email", examples: ["ada@example.com"] })),
  ),
  email_key: adminOnly(Schema.NullOr(Schema.String)),
  full_name: Fields.Nullable(fullName),
  avatar_url: Fields.Nullable(avatarUrl),
  role: serverSet(Role),
  is_active: serverSet(Fields.Bool),
  subscription_plan: serverSet(SubscriptionPlan),
  subscription_status: serverSet(SubscriptionStatus),
  stripe_customer_id: adminOnly(Schema.NullOr(Schema.String)),
  apple_original_transaction_id: adminOnly(Schema.NullOr(Schema.String)),
  google_purchase_token: adminOnly(Schema.NullOr(Schema.String)),
  last_login_at: adminOnly(Schema.NullOr(Fields.Timestamp)),
  login_count: adminOnly(Schema.Int),
  last_token_iat: adminOnly(Schema.NullOr(Schema.Int)),
  closed_at: adminOnly(Schema.NullOr(Fields.Timestamp)),
  created_at: Fields.CreatedAt,
  updated_at: Fields.UpdatedAt,
}) {}

export type UserPatch = typeof User.jsonUpdate.Type

/** A user as admins see it. */
export const AdminUser = Schema.Struct({
  ...User.json.fields,
  stripe_customer_id: Schema.NullOr(Schema.String),
  apple_original_transaction_id: Schema.NullOr(Schema.String),
  google_purchase_token: Schema.NullOr(Schema.String),
  last_login_at: Schema.NullOr(Fields.Timestamp),
  login_count: Schema.Int,
}).annotate({ identifier: "AdminUser" })

/** The fields that an admin may change. */
export const AdminUserPatch = Schema.Struct({
  role: Schema.optionalKey(Role),
  is_active: Schema.optionalKey(Schema.Boolean),
  full_name: User.jsonUpdate.fields.full_name,
}).annotate({ identifier: "AdminUserPatch" })
export type AdminUserPatch = typeof AdminUserPatch.Type

/** The caller of the current request, as stored. `actor` is the admin who impersonates the user, else null. */
export class CurrentUser extends Context.Service<
  CurrentUser,
  {
    readonly id: UserId
    readonly email: string | null
    readonly role: Role
    readonly plan: SubscriptionPlan
    readonly actor: UserId | null
  }
>()("plinth/domain/users/User/CurrentUser") {}
