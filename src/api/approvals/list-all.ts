import type { z } from 'zod'
import type { Queries } from '../../store/database/database.ts'
import {
  countApprovals,
  type DecidedCursor,
  decidedApprovals,
  mostCounted,
  openApprovals,
} from '../../store/runs/lists/approval-lists.ts'
import type { approvalsContract } from './contract.ts'
import { listedApproval } from './shown.ts'

interface ListDeps {
  database: Queries
  links: { readonly publicUrl: string }
}

type Query = z.output<typeof approvalsContract.listAllApprovals.query>

const decidedAfter = (cursor: string | undefined): DecidedCursor | undefined => {
  const [micros, number] = cursor?.split('-') ?? []
  return micros === undefined ? undefined : { micros, number: Number(number ?? 0) }
}

/** Reads one row more than the page has, with the cursor of each. */
const readPage = async (database: Queries, ids: readonly number[] | undefined, { state, cursor, limit }: Query) => {
  if (state === 'waiting') {
    const rows = await openApprovals(database, ids, { after: Number(cursor?.split('-')[0] ?? 0), limit: limit + 1 })
    return rows.map((row) => ({ row, cursor: String(row.number) }))
  }
  const rows = await decidedApprovals(database, ids, { after: decidedAfter(cursor), limit: limit + 1 })
  return rows.map((row) => ({ row, cursor: `${row.decided_micros}-${row.number}` }))
}

/** A page of the approvals of several collections; undefined means all. */
export const listAllApprovals = async (
  { database, links }: ListDeps,
  collectionIds: readonly number[] | undefined,
  query: Query,
) => {
  const [found, counts] = await Promise.all([
    readPage(database, collectionIds, query),
    countApprovals(database, collectionIds),
  ])
  const page = found.slice(0, query.limit)
  const more = found.length > query.limit
  const total = counts[query.state]
  return {
    approvals: page.map(({ row }) => listedApproval(row, links.publicUrl)),
    total: total > mostCounted ? null : total,
    next_cursor: more ? (page.at(-1)?.cursor ?? null) : null,
    has_more: more,
  }
}
