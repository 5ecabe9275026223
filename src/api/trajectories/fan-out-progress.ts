import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import type { StepProgress } from '../../model/runs/step.ts'
import type { Queries } from '../../store/database/database.ts'
import { childProgress } from '../../store/runs/child-progress.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import type { ShownDefinition } from './definitions.ts'

/** The activity as the JSON text that a definition shows. */
const fanOut = JSON.stringify('list_emit_await')

type NamedStep = Pick<StepRecord, 'name' | 'status'>

/** Tells whether a step starts a child run for each item. */
export const isFanOut = (step: NamedStep, definition: ShownDefinition): boolean =>
  step.status !== 'skipped' && definition.step(step.name).activity === fanOut

/** Tells whether a step waits for child runs. */
export const isFanningOut = (step: NamedStep, definition: ShownDefinition): boolean =>
  step.status === 'running' && isFanOut(step, definition)

/** Counts the items of a step; null if its inputs do not contain them. */
export const itemsOf = ({ inputs }: StepRecord): number | null => {
  const given = inputs === null ? undefined : parsedObject(inputs)
  const lists = isObject(given) ? [given.items_path, given.items] : []
  return lists.find((list) => Array.isArray(list))?.length ?? null
}

/** Counts the child runs of a step that has ended; undefined where there are none, or none any more. */
export const endedProgressOf = async (
  database: Queries,
  step: Pick<StepRecord, 'run_id' | 'seq'>,
): Promise<StepProgress | undefined> => {
  const progress = await progressOf(database, step, null)
  return progress.begun === 0 ? undefined : { ...progress, total: progress.begun }
}

/** Counts the child runs of a step by status. */
export const progressOf = async (
  database: Queries,
  step: Pick<StepRecord, 'run_id' | 'seq'>,
  total: number | null,
): Promise<StepProgress> => {
  const { begun, counts } = await childProgress(database, step.run_id, step.seq)
  const { pending = 0, running = 0, completed = 0, failed = 0, cancelled = 0 } = counts
  return { total, begun, ended: begun - pending - running, completed, failed, cancelled }
}
