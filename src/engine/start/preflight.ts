import { AppError } from '../../lib/errors.ts'
import { newRunKey } from '../../lib/ids.ts'
import { joinMessages } from '../program/remark.ts'
import { checkModelsOfAll } from './check-models.ts'
import { checkRunbooks } from './check-runbooks.ts'
import type { RunRequest, Starter } from './start.ts'

/** Runs that somebody is about to ask for: of one task, each with parameters of its own. */
export interface Planned extends Pick<RunRequest, 'task' | 'secrets' | 'lent'> {
  collection: Pick<RunRequest['collection'], 'id' | 'environmentId'>
  /** What is merged over the task's `init_params`, a run each. */
  runs: readonly Record<string, unknown>[]
}

/**
 * Refuses runs before anything of them is written down or paid for. Throws `invalid` where their workflow cannot run, and
 * `model_unavailable`, naming the item and the step, where one of them asks a model that nobody serves.
 */
export const preflight = async (
  { engine, sealSecrets }: Pick<Starter, 'engine' | 'sealSecrets'>,
  { collection, task, secrets, lent = [], runs }: Planned,
): Promise<void> => {
  const program = await engine.programs.of(task.definition)
  if (program.problems.length > 0) {
    throw new AppError('invalid', `Task '${task.name}' cannot run: ${joinMessages(program.problems)}`, {
      hint: 'Put its workflow right first.',
    })
  }
  if (program.askingSteps.length + program.runbookSteps.length === 0) return
  const key = newRunKey()
  const environment = await engine.environments.of(collection.environmentId, sealSecrets({ secrets, lent }, key), key)
  const run = { program, collectionId: collection.id, environment }
  await checkModelsOfAll(engine, run, runs)
  const merged = runs.map((initParams) => ({ ...program.initParams, ...initParams }))
  await checkRunbooks(engine, run, program.runbookSteps, merged)
}
