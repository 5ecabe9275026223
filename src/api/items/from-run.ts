import { createHash } from 'node:crypto'
import type { z } from 'zod'
import { parsePath, readPath, whyNotFound } from '../../engine/program/paths.ts'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isObject, type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'
import type { FoundCollection } from '../../model/collections/identity.ts'
import type { ItemOrigin } from '../../model/data/item.ts'
import type { Queries } from '../../store/database/database.ts'
import { uncounted, withInitParams, withLargeValues } from '../../store/runs/large-values.ts'
import { findRun, findRunByWorkflowId, type RunRow } from '../../store/runs/runs.ts'
import { allSteps, findStep } from '../../store/runs/step-records.ts'
import type { itemsContract } from './contract.ts'
import type { GivenItem } from './prepare.ts'

export interface FromRunDeps {
  database: Queries
}

type Asked = z.output<typeof itemsContract.addItemFromRun.body>

const getRun = async (database: Queries, collection: FoundCollection, asked: Asked): Promise<RunRow> => {
  const { task, trajectory_id: trajectoryId } = asked
  const run =
    task === undefined
      ? await findRunByWorkflowId(database, trajectoryId, [collection.id])
      : await findRun(database, { collectionId: collection.id, task, trajectoryId })
  if (run) return run
  throw new AppError('not_found', `Trajectory '${trajectoryId}' not found in collection '${collection.name}'`)
}

const noOutputs = (run: RunRow) =>
  invalidField(
    ['body', 'output_path'],
    `Run '${run.trajectory_id}' has no outputs; send a correction, or "without_expected": true`,
    'no_outputs',
  )

/** The outputs of the last step that was executed. */
const lastOutputs = async (database: Queries, run: RunRow): Promise<unknown> => {
  const steps = await allSteps(database, run.id, { view: 'full' })
  const last = steps.findLast(({ status }) => status === 'completed')
  const [whole] = last ? await withLargeValues(database, [last], uncounted) : []
  if (!whole?.outputs) throw noOutputs(run)
  return parsedObject(whole.outputs)
}

/** Reads a path into a run, such as `answer.outputs.text`. */
const valueAt = async (database: Queries, run: RunRow, params: JsonObject, text: string): Promise<unknown> => {
  const refuse = (message: string) => invalidField(['body', 'output_path'], message, 'path')
  const path = parsePath(text)
  if (!path) throw refuse(`'${text}' is not a path; expected one such as answer.outputs.text`)
  const found = path.root === 'init_params' ? undefined : await findStep(database, run.id, path.root)
  if (path.root !== 'init_params' && !found) throw refuse(`Run '${run.trajectory_id}' has no step '${path.root}'`)
  const [step] = found ? await withLargeValues(database, [found], uncounted) : []
  const root = step
    ? { inputs: parsedObject(step.inputs ?? '{}'), outputs: parsedObject(step.outputs ?? '{}') }
    : params
  const result = readPath(root, path.segments)
  if (!result.found) throw refuse(whyNotFound(path, result))
  return result.value
}

/** A stable id for the item of a run: the same run again is the same item. */
const idOf = (run: RunRow): string =>
  `run-${createHash('sha256')
    .update(canonicalJson([run.name, run.trajectory_id]))
    .digest('hex')
    .slice(0, 16)}`

/** Makes an item of the parameters of a run and its expected result. Throws a 422 that says what is missing. */
export const itemFromRun = async (
  { database }: FromRunDeps,
  collection: FoundCollection,
  asked: Asked,
): Promise<GivenItem> => {
  const found = await getRun(database, collection, asked)
  const run = await withInitParams(database, found, uncounted)
  const { expected: _, ...params } = parsedObject(run.init_params) ?? {}
  const isCorrected = asked.correction !== undefined
  const expected = isCorrected
    ? asked.correction
    : asked.without_expected
      ? undefined
      : asked.output_path === undefined
        ? await lastOutputs(database, run)
        : await valueAt(database, run, params, asked.output_path)
  const [, task = ''] = run.name.split('/')
  const source: ItemOrigin = {
    collection: collection.name,
    task,
    trajectory_id: run.trajectory_id,
    output_path: asked.output_path ?? null,
    corrected: isCorrected,
  }
  const data = expected === undefined ? params : { ...params, expected }
  if (!isObject(data)) throw new AppError('internal', 'The parameters of a run are no object')
  return { id: asked.id ?? idOf(run), data, source }
}
