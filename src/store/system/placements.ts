import type { Queries } from '../database/database.ts'
import { int, query, queryOne, text } from '../database/table.ts'

/** SQL condition: a process of `executors` has sent a heartbeat lately. */
const hasBeaten = `beat_at > now() - interval '15 seconds'`

/** SQL expression: the number of processes that have all labels of a placement. */
export const serversOf = (placement: string): string =>
  `(select count(*) from executors where ${hasBeaten} and string_to_array(${placement}, ',') <@ labels)::int`

const readServers = queryOne(
  'count_servers',
  { servers: int },
  `select ${serversOf('$1::text')} as servers`,
  (placement: string) => [placement],
)

/** Counts the processes that have all of these labels. */
export const countServers = async (queries: Queries, placement: string): Promise<number> =>
  (await readServers(queries, placement))?.servers ?? 0

const mostListed = 10
const readUnserved = query(
  'unserved_placements',
  { runs_on: text },
  `select distinct runs_on from leases where runs_on is not null and ${serversOf('runs_on')} = 0 limit ${mostListed}`,
)

/** Lists placements that runs wait for and no process satisfies; at most ten. */
export const unservedPlacements = async (queries: Queries): Promise<string[]> =>
  (await readUnserved(queries)).map(({ runs_on }) => runs_on)
