/** JSON Schemas of the answers and inputs, which Fastify compiles. */

export const project = {
  type: "object",
  properties: {
    id: { type: "string" },
    owner_id: { type: "string" },
    name: { type: "string" },
    description: { type: "string", nullable: true },
    created_at: { type: "string" },
    updated_at: { type: "string" },
  },
} as const

export const page = {
  type: "object",
  properties: {
    items: { type: "array", items: project },
    total: { type: "integer" },
    skip: { type: "integer" },
    limit: { type: "integer" },
  },
} as const

export const query = {
  type: "object",
  properties: {
    skip: { type: "integer", minimum: 0, default: 0 },
    limit: { type: "integer", minimum: 1, maximum: 100, default: 20 },
  },
} as const

export const input = {
  type: "object",
  required: ["name"],
  properties: { name: { type: "string" }, description: { type: "string", nullable: true } },
} as const

export const patch = { ...input, required: [] } as const

const nullableText = { type: "string", nullable: true } as const

export const account = {
  type: "object",
  properties: {
    id: { type: "string" },
    email: nullableText,
    full_name: nullableText,
    avatar_url: nullableText,
    role: { type: "string" },
    is_active: { type: "boolean" },
    subscription_plan: { type: "string" },
    subscription_status: { type: "string" },
    created_at: { type: "string" },
    updated_at: { type: "string" },
  },
} as const
