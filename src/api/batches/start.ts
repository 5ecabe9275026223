import type { Call } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { authorOf } from '../../model/collections/identity.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import type { RunRow } from '../../store/runs/runs.ts'
import { checkSecretNames } from '../runs/parameters.ts'
import { unknownOf } from '../runs/unknown-parameters.ts'
import type { batchesContract } from './contract.ts'
import { readDatasetItems } from './dataset-items.ts'
import type { BatchFacts } from './facts.ts'
import { type Item, readBatchItems } from './items.ts'
import { batchTaskOf } from './own-task.ts'
import { type DatasetStart, type DatasetStartDeps, startWithDataset } from './start-with-dataset.ts'

type BatchCall = Call<(typeof batchesContract)['runBatch']>

/**
 * Starts the batch that a call asks for, or finds the one that its Idempotency-Key has started already. Whatever can be
 * known to go wrong with any of its runs is refused before the first of them.
 */
export const startBatch = (deps: DatasetStartDeps, call: BatchCall): Promise<RunRow> =>
  startWithDataset(deps, call, () => requestOf(deps, call))

/** The expected result is for judges: a run must not see it. */
const withoutExpected = ({ expected: _, ...item }: Item): Item => item

const requestOf = async (deps: DatasetStartDeps, call: BatchCall): Promise<DatasetStart> => {
  const { collection, task, params, body, identity } = call
  if (!task) throw new AppError('not_found', `Task '${params.task}' in collection '${collection.name}' not found`)
  const { secret_params: secrets, labels, max_concurrency } = body
  checkSecretNames(secrets)
  const source = body.dataset === undefined ? undefined : await readDatasetItems(deps, call, task, body.dataset)
  const items = await readBatchItems(deps, call, source?.items.map(withoutExpected))
  const warnings = await unknownOf(deps.engine, { task, given: items, secrets, field: 'items' })
  const place = { ...collection, environmentId: task.environment_id }
  const unservable = refusesUnservable(call) ? 'refuse' : 'record'
  const refusal = await deps.engine.preflight({ collection: place, task, secrets, runs: items, unservable })
  const facts: BatchFacts = {
    ...{ task: task.name, name: body.name ?? null, total: items.length, max_concurrency, labels },
    ...(source ? { dataset: source.facts } : {}),
    ...(warnings.length > 0 ? { warnings } : {}),
  }
  const request = {
    collection: place,
    task: await batchTaskOf(deps.database, collection.id),
    initParams: { task: task.name, items, max_concurrency, labels },
    secrets,
    files: [],
    author: authorOf(identity),
    params: { batch: facts },
    refusal,
  }
  return { request, batch: source?.batch }
}
