import type { z } from 'zod'
import type { Queries } from '../../database/database.ts'
import { implement, type Route } from '../../http/implement.ts'
import { bytes, tableTypes } from '../../http/reply.ts'
import { textStream } from '../../http/text-stream.ts'
import { AppError } from '../../lib/errors.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import { largestRunPage } from '../../model/runs/collection-run.ts'
import { type CollectionRunFilter, collectionRunsAfter, runKeyOf } from '../../store/runs/collection-runs.ts'
import type { RunCursor } from '../../store/runs/run-lists.ts'
import { findListedTask } from '../../store/runs/runs.ts'
import { cursorText, filterOf, readCursor } from '../trajectories/list.ts'
import { collectionRunsContract } from './contract.ts'
import { collectionRun, exportLines } from './rows.ts'

export interface CollectionRunsDeps {
  database: Queries
  links: { readonly publicUrl: string }
}

type Query = z.output<typeof collectionRunsContract.listCollectionRuns.query>

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
        runs: found.runs.map((run) => collectionRun(run, deps.links.publicUrl)),
        has_more: found.next !== undefined,
        next_cursor: found.next ? cursorText(found.next) : null,
      }
    },
  })

/** Matches no run: no parent has an empty key. */
const noParent = ''

const collectionFilter = async (
  database: Queries,
  { id, name }: FoundCollection,
  query: Query,
): Promise<CollectionRunFilter> => {
  const taskIds = await Promise.all(
    query.task.map(async (task) => {
      const found = await findListedTask(database, id, task)
      if (found === undefined) throw new AppError('not_found', `Task '${task}' in collection '${name}' not found`)
      return found
    }),
  )
  const { parent_id: parentId } = query
  const parentKey =
    parentId === undefined ? undefined : await runKeyOf(database, { collectionId: id, trajectoryId: parentId })
  return {
    ...filterOf(query),
    labels: query.label,
    taskIds: taskIds.length === 0 ? undefined : [...new Set(taskIds)],
    parentKey: parentId === undefined ? undefined : (parentKey ?? noParent),
    model: query.model,
    minCostUsd: query.min_cost_usd,
    maxCostUsd: query.max_cost_usd,
    error: query.error,
  }
}

/** Streams all matching runs as lines, with one page in memory at a time. */
async function* exported(
  { database, links }: CollectionRunsDeps,
  collectionId: number,
  filter: CollectionRunFilter,
  from: RunCursor | undefined,
  format: keyof typeof exportLines,
): AsyncGenerator<string> {
  const { head, line } = exportLines[format]
  yield head
  let after = from
  do {
    const page = await collectionRunsAfter(database, collectionId, filter, { limit: largestRunPage, after })
    for (const run of page.runs) yield line(collectionRun(run, links.publicUrl))
    after = page.next
  } while (after)
}
