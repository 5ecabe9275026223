import type { Queries } from '../database/database.ts'
import { type AppError, invalidField } from '../lib/errors.ts'
import { nearest } from '../lib/nearest.ts'
import type { StepStatus } from '../model/workflow.ts'
import type { Carry } from './carry.ts'
import { nameInWorkflow, type Program, type ProgramStep } from './program.ts'

/** What is asked for: the run again, from a step on, with the workflow it had or another version of it. */
export interface CarryRequest {
  source: Carry['source']
  fromStep: string
  /** Of the run, and of the one that is to be. */
  programs: { source: Program; target: Program }
}

interface Recorded {
  seq: number
  name: string
  status: StepStatus
}

const loc = ['body', 'from_step']

/** The step of the workflow that a recorded one is, or is a turn of. */
const stepOf = ({ steps, indexOf }: Program, recorded: string): ProgramStep | undefined =>
  steps[indexOf.get(nameInWorkflow(recorded, (name) => indexOf.has(name))) ?? -1]

/**
 * The recorded steps before `fromStep`, all of which must have a result. Throws the 422 that says why it cannot be run
 * from there.
 */
export const planCarry = async (queries: Queries, request: CarryRequest): Promise<Carry> => {
  const { source, fromStep, programs } = request
  const recorded = await queries.rows<Recorded>(
    'steps_to_carry',
    'select seq, name, status from steps where run_id = $1 order by seq',
    [source.key],
  )
  const step = stepOf(programs.source, fromStep)
  const isTurn = step !== undefined && step.name !== fromStep
  if (!step || (isTurn && !recorded.some(({ name }) => name === fromStep))) {
    throw unknownStep(fromStep, [...programs.source.indexOf.keys(), ...recorded.map(({ name }) => name)])
  }
  if (programs.target !== programs.source) checkSameBefore(request)
  const carried = programs.source.isParallel ? independentOf(step, request, recorded) : stepsBefore(request, recorded)
  return { source, steps: carried.map(({ seq, name }) => ({ seq, name })) }
}

const unknownStep = (name: string, steps: string[]): AppError => {
  const names = [...new Set(steps)]
  const guess = nearest(name, names)
  return invalidField(
    loc,
    `The run has no step '${name}'${guess ? `; did you mean '${guess}'?` : ''} Its steps: ${names.slice(0, 50).join(', ')}`,
    'step_unknown',
  )
}

const hasResult = ({ status }: Recorded): boolean => status === 'completed' || status === 'skipped'

/** In the order of execution: all before the step, or before the place where it would have come next. */
const stepsBefore = (request: CarryRequest, recorded: Recorded[]): Recorded[] => {
  const { source, fromStep, programs } = request
  const at = recorded.findIndex(({ name }) => name === fromStep)
  const before = at < 0 ? recorded : recorded.slice(0, at)
  const isGoneOnWithout = ({ name }: Recorded) => stepOf(programs.source, name)?.options.continueOnError ?? false
  const without = before.find((step) => !hasResult(step) && !isGoneOnWithout(step))
  if (without) {
    throw invalidField(
      loc,
      `Step '${without.name}' stands before '${fromStep}' and has no result in run ${source.trajectoryId}: it is ` +
        `${without.status}. Begin there, or earlier`,
      'step_without_result',
    )
  }
  if (at < 0) checkIsNext(request, recorded)
  return before
}

/** A step that was not reached may be begun with only where nothing before it is missing. */
const checkIsNext = ({ source, fromStep, programs }: CarryRequest, recorded: Recorded[]): void => {
  const reached = new Set(recorded.map(({ name }) => stepOf(programs.source, name)?.name))
  const missing = programs.source.steps.find(
    ({ name, isListed }) => name === fromStep || (isListed && !reached.has(name)),
  )
  if (!missing || missing.name === fromStep) return
  throw invalidField(
    loc,
    `Run ${source.trajectoryId} ended before '${fromStep}', and before '${missing.name}' as well. Begin there, or earlier`,
    'step_not_reached',
  )
}

/** Results are carried to where they belong: up to the step, both versions must list the same ones. */
const checkSameBefore = ({ fromStep, programs }: CarryRequest): void => {
  const then = programs.source.steps.map(({ name }) => name)
  const now = programs.target.steps.map(({ name }) => name)
  if (programs.source.isParallel !== programs.target.isParallel) {
    throw invalidField(loc, 'One version runs its steps side by side, and the other does not', 'version_differs')
  }
  if (!now.includes(fromStep)) {
    throw invalidField(loc, `The current version of the task has no step '${fromStep}'`, 'step_unknown')
  }
  const differs = then.findIndex((name, at) => name !== now[at])
  // Side by side, what does not depend on the step may stand anywhere.
  if (differs < 0 || (!programs.source.isParallel && differs > then.indexOf(fromStep))) return
  throw invalidField(
    loc,
    `The current version of the task differs before '${fromStep}': step ${differs + 1} was '${then[differs]}' and ` +
      `${now[differs] === undefined ? 'is not there now' : `is '${now[differs]}' now`}. Take version "same", or begin earlier`,
    'version_differs',
  )
}

/** Where steps run side by side: those that are neither the step nor wait for it, and have a result. */
const independentOf = (step: ProgramStep, { programs }: CarryRequest, recorded: Recorded[]): Recorded[] => {
  const { steps } = programs.source
  const dependent = new Set([step.index])
  for (const { index, after } of steps) if (after.some((before) => dependent.has(before))) dependent.add(index)
  return recorded.filter((row) => {
    const at = stepOf(programs.source, row.name)?.index
    return at !== undefined && !dependent.has(at) && hasResult(row)
  })
}
