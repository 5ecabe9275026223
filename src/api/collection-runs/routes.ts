import { implement, type Route } from '../../http/implement.ts'
import { bytes, tableTypes, textStream } from '../../http/reply.ts'
import { timestamp } from '../../lib/time.ts'
import { coveredIds } from '../../model/collections/identity.ts'
import { largestRunPage } from '../../model/runs/collection-run.ts'
import type { Queries } from '../../store/database/database.ts'
import {
  type CollectionRunFilter,
  collectionRunsAfter,
  runsById,
  searchRuns,
} from '../../store/runs/collection-runs.ts'
import { countRunsOf } from '../../store/runs/lists/run-counts.ts'
import { newest, type RunCursor, type RunOrder } from '../../store/runs/lists/run-order.ts'
import { cursorText, readCursor } from '../trajectories/list.ts'
import { collectionRunsContract } from './contract.ts'
import { collectionFilter, listedTaskIds } from './filter.ts'
import { collectionRuns, everyStatus, exportLines, type RowDeps } from './rows.ts'

export interface CollectionRunsDeps extends RowDeps {
  database: Queries
  settings: { runSearchMs: number }
}

export const collectionRunsRoutes = (deps: CollectionRunsDeps): Route[] =>
  implement(collectionRunsContract, {
    listCollectionRuns: async ({ collection, query }) => {
      const filter = await collectionFilter(deps.database, collection, query)
      const order = orderOf(query)
      const after = readCursor(query.cursor, order.by)
      if (query.format !== 'json') {
        const texts = exported(deps, collection.id, filter, { after, order }, query.format)
        return bytes(textStream(texts), {
          'content-type': tableTypes[query.format],
          'content-disposition': `attachment; filename="${collection.name}-runs.${query.format}"`,
          'cache-control': 'no-store',
        })
      }
      const page = { limit: query.limit, after, order, searchMs: deps.settings.runSearchMs }
      const found = await searchRuns(deps.database, collection.id, filter, page)
      return {
        runs: await collectionRuns(deps, found.runs),
        has_more: found.next !== undefined,
        looked_until:
          found.next && order.by === 'created' ? timestamp(new Date(Number(found.next.place) / 1000)) : null,
        next_cursor: found.next ? cursorText(found.next, order.by) : null,
      }
    },

    findRuns: async ({ identity, query: { id, limit } }) => {
      const found = await runsById(deps.database, coveredIds(identity), { beginning: id, limit: limit + 1 })
      return { runs: await collectionRuns(deps, found.slice(0, limit)), has_more: found.length > limit }
    },

    countCollectionRuns: async ({ collection, query }) => {
      const taskIds = await listedTaskIds(deps.database, collection, query.task)
      const { byStatus, ...counts } = await countRunsOf(deps.database, collection.id, taskIds)
      return { ...counts, by_status: everyStatus(byStatus) }
    },
  })

/** The default is one and the same object, by which its statements are prepared. */
const orderOf = ({ sort, order }: { sort: RunOrder['by']; order: 'asc' | 'desc' }): RunOrder =>
  sort === newest.by && order === 'desc' ? newest : { by: sort, isAscending: order === 'asc' }

/** Streams all matching runs as lines, with one page in memory at a time. */
async function* exported(
  deps: CollectionRunsDeps,
  collectionId: number,
  filter: CollectionRunFilter,
  from: { after: RunCursor | undefined; order: RunOrder },
  format: keyof typeof exportLines,
): AsyncGenerator<string> {
  const { head, line } = exportLines[format]
  yield head
  let { after } = from
  do {
    const page = await collectionRunsAfter(deps.database, collectionId, filter, {
      limit: largestRunPage,
      after,
      order: from.order,
    })
    for (const run of await collectionRuns(deps, page.runs)) yield line(run)
    after = page.next
  } while (after)
}
