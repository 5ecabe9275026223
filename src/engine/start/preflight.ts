import { AppError } from '../../lib/errors.ts'
import { newRunKey } from '../../lib/ids.ts'
import type { PlannedRuns } from '../engine.ts'
import { requireInputs } from '../program/input-schema.ts'
import type { ProgramStep } from '../program/program.ts'
import { joinMessages } from '../program/remark.ts'
import { refusalOf } from '../runs/refusal.ts'
import { checkModelsOfAll } from './check-models.ts'
import { checkRunbooks } from './check-runbooks.ts'
import type { CheckDeps } from './start.ts'

/** Tells whether a step can call a model: itself, in a runbook, or in a child run. */
export const mayAskModels = ({ activity }: ProgramStep): boolean =>
  activity.asks !== undefined || activity.carriesOut !== undefined || activity.startsTask !== undefined

/** Comparisons of parameters with the input schema: of all runs together, two seconds in pieces, and more for each. */
const comparisonsOfAll = 2_000_000
const comparisonsOfEach = 1_000

/**
 * Checks runs before anything of them is stored or paid for. Throws `invalid` when their workflow cannot run. When one
 * cannot be served, throws the reason with item and step, or returns it if it is to be recorded.
 */
export const preflight = async (
  deps: CheckDeps,
  { collection, task, secrets, lent = [], runs, unservable }: PlannedRuns,
): Promise<AppError | undefined> => {
  deps.pauses.require(collection.id)
  const program = await deps.programs.of(task.definition)
  if (program.problems.length > 0) {
    throw new AppError('invalid', `Task '${task.name}' cannot run: ${joinMessages(program.problems)}`, {
      hint: 'Correct its workflow first.',
    })
  }
  const budget = { left: comparisonsOfAll + runs.length * comparisonsOfEach }
  for (const [index, initParams] of runs.entries()) {
    await requireInputs(
      program,
      { ...program.initParams, ...initParams },
      runs.length > 1 ? ['body', 'items', index] : undefined,
      budget,
    )
  }
  if (program.askingSteps.length + program.sandboxSteps.length === 0) return undefined
  const key = newRunKey()
  const environment = await deps.environments.of(
    collection.environmentId,
    deps.sealSecrets({ secrets, lent }, key),
    key,
  )
  const run = { program, collectionId: collection.id, environment }
  return refusalOf(unservable, async () => {
    await checkModelsOfAll(deps, run, runs)
    const merged = runs.map((initParams) => ({ ...program.initParams, ...initParams }))
    await checkRunbooks(deps, run, program.sandboxSteps, merged)
  })
}
