import type { Queries } from '../../database/database.ts'
import { implement, type Route } from '../../http/implement.ts'
import { bytes, tableTypes } from '../../http/reply.ts'
import { textStream } from '../../http/text-stream.ts'
import { timestamp } from '../../lib/time.ts'
import { largestRunPage } from '../../model/runs/collection-run.ts'
import { type CollectionRunFilter, collectionRunsAfter } from '../../store/runs/collection-runs.ts'
import { countRunsOf } from '../../store/runs/lists/run-counts.ts'
import type { RunCursor } from '../../store/runs/lists/run-filter.ts'
import { cursorText, readCursor } from '../trajectories/list.ts'
import { collectionRunsContract } from './contract.ts'
import { collectionFilter, listedTaskIds } from './filter.ts'
import { collectionRuns, everyStatus, exportLines, type RowDeps } from './rows.ts'

export interface CollectionRunsDeps extends RowDeps {
  database: Queries
}

export const collectionRunsRoutes = (deps: CollectionRunsDeps): Route[] =>
  implement(collectionRunsContract, {
    listCollectionRuns: async ({ collection, query }) => {
      const filter = await collectionFilter(deps.database, collection, query)
      const after = readCursor(query.cursor)
      if (query.format !== 'json') {
        const texts = exported(deps, collection.id, filter, after, query.format)
        return bytes(textStream(texts), {
          'content-type': tableTypes[query.format],
          'content-disposition': `attachment; filename="${collection.name}-runs.${query.format}"`,
          'cache-control': 'no-store',
        })
      }
      const found = await collectionRunsAfter(deps.database, collection.id, filter, { limit: query.limit, after })
      return {
        runs: await collectionRuns(deps, found.runs),
        has_more: found.next !== undefined,
        looked_until: found.next ? timestamp(new Date(Number(found.next.createdMicros) / 1000)) : null,
        next_cursor: found.next ? cursorText(found.next) : null,
      }
    },

    countCollectionRuns: async ({ collection, query }) => {
      const taskIds = await listedTaskIds(deps.database, collection, query.task)
      const { byStatus, ...counts } = await countRunsOf(deps.database, collection.id, taskIds)
      return { ...counts, by_status: everyStatus(byStatus) }
    },
  })

/** Streams all matching runs as lines, with one page in memory at a time. */
async function* exported(
  deps: CollectionRunsDeps,
  collectionId: number,
  filter: CollectionRunFilter,
  from: RunCursor | undefined,
  format: keyof typeof exportLines,
): AsyncGenerator<string> {
  const { head, line } = exportLines[format]
  yield head
  let after = from
  do {
    const page = await collectionRunsAfter(deps.database, collectionId, filter, { limit: largestRunPage, after })
    for (const run of await collectionRuns(deps, page.runs)) yield line(run)
    after = page.next
  } while (after)
}
