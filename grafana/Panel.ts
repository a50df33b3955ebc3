import type * as units from "@grafana/grafana-foundation-sdk/units"
import type { Query } from "./Queries.ts"

/** Grafana's id of a unit, such as "none", "s", "bytes", "reqps" and "ops" (per second), "percentunit" (0 to 1). */
export type Unit = Extract<(typeof units)[keyof typeof units], string>

interface Details {
  /** Says what the title cannot. Grafana shows it when the pointer is on the panel's info icon. */
  readonly description?: string
}

/** Colors by the value from which they apply; null is the color of everything below. */
export type Thresholds = Readonly<Record<string, number | null>>

export type Panel =
  | { readonly kind: "row"; readonly title: string }
  | ({
      readonly kind: "stat"
      readonly title: string
      readonly unit: Unit
      readonly width: number
      readonly query: Query
      readonly thresholds?: Thresholds
    } & Details)
  | ({
      readonly kind: "graph"
      readonly title: string
      readonly unit: Unit
      readonly width: number
      readonly queries: ReadonlyArray<Query>
      readonly max?: number
      readonly stacked?: boolean
    } & Details)
  | { readonly kind: "table"; readonly title: string; readonly query: Query }

/** A heading. The panels after it belong to it. */
export const row = (title: string): Panel => ({ kind: "row", title })

/** The current value, in large digits. */
export const stat = (
  title: string,
  unit: Unit,
  width: number,
  query: Query,
  more: Details & { readonly thresholds?: Thresholds } = {},
): Panel => ({ kind: "stat", title, unit, width, query, ...more })

/** Lines over time, of one query or several. `max` is the upper end of the axis. */
export const graph = (
  title: string,
  unit: Unit,
  width: number,
  query: Query | ReadonlyArray<Query>,
  more: Details & { readonly max?: number; readonly stacked?: boolean } = {},
): Panel => ({ kind: "graph", title, unit, width, queries: [query].flat(), ...more })

/** A line for each series, with its labels as columns, over the whole width. */
export const table = (title: string, query: Query): Panel => ({ kind: "table", title, query })
