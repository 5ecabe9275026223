import { int, query, queryValue, text } from '../database/table.ts'

/** SQL condition: a process of `executors` has sent a heartbeat lately. */
const hasBeaten = `beat_at > now() - interval '15 seconds'`

/** SQL expression: the number of processes that have all labels of a placement. */
export const serversOf = (placement: string): string =>
  `(select count(*) from executors where ${hasBeaten} and string_to_array(${placement}, ',') <@ labels)::int`

/** Counts the processes that have all of these labels. */
export const countServers = queryValue(
  'count_servers',
  { servers: int },
  `select ${serversOf('$1::text')} as servers`,
  (placement: string) => [placement],
)

const mostListed = 10

/** Lists placements that runs wait for and no process satisfies; at most ten. */
export const unservedPlacements = query(
  'unserved_placements',
  { runs_on: text },
  `select distinct runs_on from leases where runs_on is not null and ${serversOf('runs_on')} = 0 limit ${mostListed}`,
  () => [],
  (rows) => rows.map(({ runs_on }) => runs_on),
)
