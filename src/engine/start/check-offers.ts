import type { Queries } from '../../database/database.ts'
import { isObject } from '../../lib/json/json-object.ts'
import type { OfferedActivity } from '../../model/workers/worker.ts'
import { isWorkerActivity } from '../../model/workers/worker.ts'
import type { WorkflowFault } from '../../model/workflows/workflow-fault.ts'
import { findOffer } from '../../store/workers/offers.ts'
import { workerStepFault } from '../program/lint.ts'
import type { Program, ProgramStep } from '../program/program.ts'

/** Activities of workers that one check looks up. */
const mostLookedUp = 50

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
  const offers = new Map(names.map((name, at) => [name, found[at]]))
  return steps.flatMap((step) => {
    if (!offers.has(step.activity.name)) return []
    const offer = offers.get(step.activity.name)
    if (!offer)
      return [
        workerStepFault(step.name, 'activity', `no worker offers '${step.activity.name}' yet: a run waits for one`),
      ]
    return parameterFaults(step, JSON.parse(offer.definition) as OfferedActivity)
  })
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
    ...missing.map((one) => workerStepFault(step.name, one, `${one} is required, a parameter of ${name}`)),
    ...surplus.map(([one, key]) => workerStepFault(step.name, key, `${name} has no parameter '${one}'`)),
  ]
}
