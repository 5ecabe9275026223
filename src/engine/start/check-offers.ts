import { isObject } from '../../lib/json/json-object.ts'
import { makeGuesses } from '../../lib/text/nearest.ts'
import type { OfferedActivity } from '../../model/workers/worker.ts'
import { isWorkerActivity } from '../../model/workers/worker.ts'
import type { WorkflowFault } from '../../model/workflows/workflow-fault.ts'
import type { Queries } from '../../store/database/database.ts'
import { findOffer, offeredNames } from '../../store/workers/offers.ts'
import { workerStepFault } from '../program/lint.ts'
import type { Program, ProgramStep } from '../program/program.ts'
import { question } from '../program/remark.ts'

/** Activities of workers that one check looks up. */
const mostLookedUp = 50
/** Maximum faults about activities of workers. */
const mostFaults = 100

/**
 * Finds steps whose activity no worker offers to a collection, and parameters that its workers do not take or that are
 * missing. They are warnings: workers come and go without a change of the workflow.
 */
export const checkOffers = async (
  database: Queries,
  program: Program,
  collectionId: number,
): Promise<WorkflowFault[]> => {
  const steps = program.steps.filter(({ activity }) => isWorkerActivity(activity.name) && !activity.module)
  const names = [...new Set(steps.map(({ activity }) => activity.name))].slice(0, mostLookedUp)
  const found = await Promise.all(names.map((name) => findOffer(database, name, collectionId)))
  const offers = new Map(
    names.map((name, at) => {
      const definition = found[at]?.definition
      return [name, definition === undefined ? undefined : (JSON.parse(definition) as OfferedActivity)]
    }),
  )
  const isAnyMissing = [...offers.values()].some((offered) => offered === undefined)
  const there = isAnyMissing ? await offeredNames(database, collectionId) : []
  const guess = makeGuesses(mostLookedUp)
  const faults: WorkflowFault[] = []
  for (const step of steps) {
    const { name } = step.activity
    if (!offers.has(name)) continue
    const offered = offers.get(name)
    if (offered) faults.push(...parameterFaults(step, offered))
    else {
      const near = question(guess(name, there))
      faults.push(workerStepFault(step.name, 'activity', `no worker offers '${name}' yet: a run waits for one${near}`))
    }
    if (faults.length > mostFaults) break // they are warnings
  }
  return faults.slice(0, mostFaults)
}

const parameterFaults = (step: ProgramStep, { name, parameters }: OfferedActivity): WorkflowFault[] => {
  const { properties, required, additionalProperties } = parameters
  const known = isObject(properties) ? properties : {}
  const given = new Map(step.bindings.map((binding) => [binding.parameter, binding.key]))
  const needed = Array.isArray(required) ? required.filter((one): one is string => typeof one === 'string') : []
  const missing = needed.filter((one) => !given.has(one))
  const isClosed = additionalProperties === false
  const surplus = [...given].filter(([one]) => isClosed && one !== 'runs_on' && !Object.hasOwn(known, one))
  return [
    ...missing
      .slice(0, mostFaults)
      .map((one) => workerStepFault(step.name, one, `${one} is required, a parameter of ${name}`)),
    ...surplus
      .slice(0, mostFaults)
      .map(([one, key]) => workerStepFault(step.name, key, `${name} has no parameter '${one}'`)),
  ]
}
