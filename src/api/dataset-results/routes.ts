import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { timestampOrNull } from '../../lib/time.ts'
import type { Database } from '../../store/database/database.ts'
import {
  countItemResults,
  type ItemResultRow,
  listItemResults,
  type ResultState,
} from '../../store/items/dataset-runs.ts'
import { findTask } from '../../store/tasks/tasks.ts'
import { getEntity } from '../entities/find.ts'
import { bucketsOf } from '../items/splits.ts'
import { getEntityVersion } from '../versions.ts'
import { datasetResultsContract } from './contract.ts'

export interface DatasetResultsDeps {
  database: Database
}

const stale: readonly ResultState[] = ['item_changed', 'task_changed', 'failed', 'missing']

const statesOf = (state: ResultState | 'stale' | undefined): readonly ResultState[] | undefined =>
  state === undefined ? undefined : state === 'stale' ? stale : [state]

const shown = (row: ItemResultRow) => ({
  id: row.item_id,
  state: row.state,
  hash: row.hash,
  run:
    row.run === null
      ? null
      : {
          trajectory_id: row.run.trajectory_id,
          status: row.run.status,
          error: row.run.error,
          ended: timestampOrNull(row.run.ended_at),
          batch_id: row.run.batch_id,
          dataset_version: row.run.seq,
          item_hash: row.run.hash,
          workflow_hash: row.run.definition,
        },
})

export const datasetResultsRoutes = ({ database }: DatasetResultsDeps): Route[] =>
  implement(datasetResultsContract, {
    listDatasetResults: async ({ collection, params, query }) => {
      const dataset = await getEntity(database, { kind: 'dataset', name: params.dataset }, collection)
      const task = await findTask(database, collection.id, query.task)
      if (!task) throw new AppError('not_found', `Task '${query.task}' in collection '${collection.name}' not found`)
      const { seq } = await getEntityVersion(database, dataset, query.version)
      const buckets = bucketsOf(dataset.splits, query.split)
      const at = { datasetId: dataset.id, seq, buckets, taskId: task.id, definition: task.definition }
      const page = { after: Number(query.cursor ?? 0), limit: query.limit, states: statesOf(query.state) }
      const [counts, { rows, hasMore }] = await Promise.all([
        query.cursor === undefined ? countItemResults(database, at) : null,
        listItemResults(database, at, page),
      ])
      return {
        version: seq,
        task: task.name,
        counts,
        items: rows.map(shown),
        next_cursor: hasMore ? String(rows.at(-1)?.position) : null,
      }
    },
  })
