import { Effect } from "effect"
import { PlinthRpc } from "../../rpc/RpcClient.ts"
import { explainUserErrors, findUser } from "../users/ManageUsers.ts"
import { print } from "../Output.ts"
import { results } from "../Results.ts"
import { table } from "../Table.ts"

export const show = Effect.fnUntraced(function* (options: {
  readonly user: string
  readonly days: number
  readonly json: boolean
}) {
  const rpc = yield* PlinthRpc
  const { id } = yield* findUser(options.user)
  yield* print(
    options.json,
    results["usage show"],
    yield* rpc("usage.summary", { user_id: id, days: options.days }),
    formatForPeople,
  )
}, explainUserErrors)

const columns = ["metric", "total", "previous", "growth", "per day", "top dimension"] as const

const formatForPeople = ({ metrics }: (typeof results)["usage show"]["Encoded"]) =>
  table(
    columns,
    Object.entries(metrics).map(
      ([metric, { breakdown, daily_average, growth_rate, previous_period, total }]) => [
        metric,
        total,
        previous_period,
        `${growth_rate} %`,
        daily_average,
        largestDimensionOf(breakdown),
      ],
    ),
  )

/** Returns the dimension with the largest share. `--json` prints all of them. */
const largestDimensionOf = (breakdown: Readonly<Record<string, number>>) => {
  const [largest] = Object.entries(breakdown).toSorted(([, one], [, other]) => other - one)
  return largest === undefined ? null : largest[0]
}
