import { type AppError, invalidField } from '../../lib/errors.ts'
import { nearest } from '../../lib/text/nearest.ts'
import type { StepStatus } from '../../model/workflows/workflow.ts'
import type { Queries } from '../../store/database/database.ts'
import { int, orNull, query, text, textOf } from '../../store/database/table.ts'
import type { Carry, Rerun, RerunOf } from '../engine.ts'
import type { Environment } from '../environment/environment.ts'
import { branchStateAfter, indexOfRecorded, type Settled, steeringPattern, turnOf } from '../program/branch-state.ts'
import type { Program, ProgramStep } from '../program/program.ts'
import type { Programs } from '../program/programs.ts'
import { neededPathsOf } from '../program/source.ts'

/** A rerun request: from a step on, with the run's own workflow or another version. */
interface CarryRequest {
  source: Carry['source']
  fromStep: string
  /** Programs of the old and the new run. */
  programs: { source: Program; target: Program }
}

interface Recorded extends Settled {
  name: string
}

const loc = ['body', 'from_step']

/** Workflow step of a record, which may be a loop iteration. */
const stepOf = (program: Program, recorded: string): ProgramStep | undefined =>
  program.steps[indexOfRecorded(program, recorded)]

/** The recorded steps of a run in order; outputs only of those that steer it. */
export const stepsToCarry = query(
  'steps_to_carry',
  {
    name: text,
    seq: int,
    status: textOf<StepStatus>(),
    outputs: orNull(text),
  },
  `select s.seq, s.name, s.status, case when s.name ~ $2 then coalesce(s.outputs, o.body) end as outputs
     from steps s left join payloads o on o.id = s.outputs_payload where s.run_id = $1 order by s.seq`,
  (runKey: string, pattern: string) => [runKey, pattern],
)

/**
 * Finds the recorded steps before `fromStep`, all of which must have results. Throws a 422 with the reason when the run
 * cannot be repeated from there.
 */
const planCarry = async (queries: Queries, request: CarryRequest): Promise<Carry> => {
  const { source, fromStep, programs } = request
  const recorded = await stepsToCarry(queries, source.key, steeringPattern(programs.source))
  const step = stepOf(programs.source, fromStep)
  const isTurn = step !== undefined && step.name !== fromStep
  if (!step || (isTurn && !recorded.some(({ name }) => name === fromStep))) {
    throw unknownStep(fromStep, [...programs.source.indexOf.keys(), ...recorded.map(({ name }) => name)])
  }
  if (programs.target !== programs.source) checkSameBefore(step.name, programs)
  const carried = programs.source.isParallel ? independentOf(step, request, recorded) : stepsBefore(request, recorded)
  return { source, steps: carried.map(({ seq, name }) => ({ seq, name })) }
}

const unknownStep = (name: string, steps: string[]): AppError => {
  const names = [...new Set(steps)]
  const guess = nearest(name, names)
  return invalidField(
    loc,
    `The run has no step '${name}'; ${guess ? `did you mean '${guess}'? Its` : 'its'} steps: ${names.slice(0, 50).join(', ')}`,
    'step_unknown',
  )
}

const hasResult = ({ status }: Recorded): boolean => status === 'completed' || status === 'skipped'

/** Records in order of execution: all before the step, or before the point where it would have come next. */
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
  if (at < 0) checkComesNext(programs.source, before, request)
  checkComesNext(programs.target, before, request)
  return before
}

/** A worker continues where the carried steps lead: that must be the requested step. */
const checkComesNext = (program: Program, before: Recorded[], { source, fromStep }: CarryRequest): void => {
  const { branchState, next } = branchStateAfter(program, before)
  const step = program.steps[next]
  const turn = step ? turnOf(branchState, step) : 1
  const name = step && (turn > 1 ? `${step.name}__${turn}` : step.name)
  if (name === fromStep) return
  throw invalidField(
    loc,
    `After ${before.length} steps of run ${source.trajectoryId}, ${name ? `'${name}' comes` : 'nothing comes'}, not '${fromStep}'`,
    'step_not_reached',
  )
}

/** Results keep their meaning only if both versions list the same steps up to this one. */
const checkSameBefore = (name: string, { source, target }: CarryRequest['programs']): void => {
  const refuse = (message: string) => invalidField(loc, message, 'version_differs')
  if (source.isParallel !== target.isParallel) {
    throw refuse('One version runs its steps side by side, and the other does not. Take version "same"')
  }
  if (!target.indexOf.has(name)) throw refuse(`The current version of the task has no step '${name}'`)
  // In parallel execution, steps that do not depend on it may be anywhere.
  const end = source.isParallel ? source.steps.length : (source.indexOf.get(name) ?? 0) + 1
  const differs = source.steps.findIndex((step, at) => at < end && step.name !== target.steps[at]?.name)
  if (differs < 0) return
  const [then, now] = [source.steps[differs]?.name, target.steps[differs]?.name]
  throw refuse(
    `The current version of the task differs before '${name}': step ${differs + 1} was '${then}' and ` +
      `${now === undefined ? 'is not there' : `is '${now}'`} now. Take version "same", or begin earlier`,
  )
}

/** In parallel execution: steps that neither are nor depend on the step, and have a result. */
const independentOf = (step: ProgramStep, { programs }: CarryRequest, recorded: Recorded[]): Recorded[] => {
  const { steps } = programs.source
  const dependent = new Set([step.index])
  for (const { index, after } of steps) if (after.some((before) => dependent.has(before))) dependent.add(index)
  return recorded.filter((row) => {
    const at = stepOf(programs.source, row.name)?.index
    return at !== undefined && !dependent.has(at) && hasResult(row)
  })
}

/**
 * Plans the carried results of a rerun. Throws a 422 when the old run lacks results for it, or its workflow cannot run.
 */
export const planRerun = async (
  database: Queries,
  programs: Pick<Programs, 'of'>,
  { source, fromStep, definitions }: RerunOf,
): Promise<Carry | undefined> => {
  const target = await programs.of(definitions.target)
  const [problem] = target.problems
  if (problem !== undefined) throw invalidField(['body', 'version'], `The workflow cannot be run: ${problem.message}`)
  if (fromStep === undefined) return undefined
  const carry = await planCarry(database, {
    source,
    fromStep,
    programs: { source: await programs.of(definitions.source), target },
  })
  return carry.steps.length > 0 ? carry : undefined
}

/** Steps that will execute: not the carried ones, and none in a replay. */
export const stillToCome = (steps: ProgramStep[], { carry, replayOf }: Rerun): ProgramStep[] => {
  if (replayOf !== undefined) return []
  const isDone = doneIn(carry)
  return steps.filter((step) => !isDone(step))
}

/** Makes a test for steps that will not execute again; one in a loop may. */
const doneIn = (carry: Carry | undefined): ((step: ProgramStep) => boolean) => {
  const carried = new Set(carry?.steps.map(({ name }) => name))
  return ({ name, loop }) => carried.has(name) && loop === undefined
}

/**
 * Refuses a run whose steps read a variable that is not set: secrets given with the old run were deleted at its end,
 * and a step that silently omits them would behave differently.
 */
export const checkSecretsGiven = (program: Program, environment: Environment, carry: Carry | undefined): void => {
  const isDone = doneIn(carry)
  for (const step of program.steps) {
    if (isDone(step)) continue
    const missing = variablesOf(step).find((name) => environment.get(name) === undefined)
    if (missing === undefined) continue
    throw invalidField(
      ['body', 'secret_params', missing],
      `Step '${step.name}' reads ${missing}, which the environment does not have. The secrets of a run are deleted at its ` +
        'end: send it anew in secret_params, or set it in the collection',
      'secret_missing',
    )
  }
}

const variablesOf = ({ bindings, usesEnvironment }: ProgramStep): string[] =>
  usesEnvironment
    ? bindings.flatMap((binding) =>
        (binding.fallback ? [] : neededPathsOf(binding.source))
          .filter(({ root }) => root === 'env')
          .flatMap(({ segments: [first] }) => (first?.kind === 'name' ? [first.name] : [])),
      )
    : []
