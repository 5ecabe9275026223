import type { DatasetPlace } from '../input/places.ts'
import { type CopyContext, orMissing } from './copy-context.ts'

/** Member with the id of an item in an export; data with a member of this name would lose it. */
const idColumn = '__jetty_item_id'
const query = { id_column: idColumn, format: 'jsonl' } as const

/** Copies the items of the newest version as one new version, unless the target has other items. */
export const copyItems = async (context: CopyContext, params: DatasetPlace): Promise<void> => {
  const { fetchSource, target, log, overwrites } = context
  const found = await orMissing(fetchSource('exportItems', { params: { ...params }, query, asResponse: true }))
  const theirs = found === undefined ? '' : await (found as Response).text()
  if (theirs.trim() === '') return
  const ours = await (await target.exportItems({ params, query })).text()
  if (ours === theirs) return log.count('lists of items unchanged')
  if (ours.trim() !== '' && !overwrites) {
    const problem = 'The target has other items; --overwrite adds and replaces those of the source'
    return log.problem(`${params.collection}: dataset ${params.dataset}`, problem)
  }
  const content = new Blob([theirs], { type: 'application/jsonl' })
  const files = [{ field: 'file', name: 'items.jsonl', content }]
  const { added, changed } = await target.importItems({ params, body: { id_column: idColumn }, files })
  log.state.counts.items = (log.state.counts.items ?? 0) + added + changed
}
