import type { Json } from '../../activities/activity.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'
import type { Queries } from '../../store/database/database.ts'
import type { Carry, PlannedTrial, TrialOf } from '../engine.ts'
import {
  branchStateAfter,
  indexOfRecorded,
  isChosen,
  type Settled,
  steeringPattern,
  turnOf,
} from '../program/branch-state.ts'
import type { Program, ProgramStep } from '../program/program.ts'
import type { Programs } from '../program/programs.ts'
import { pathsOf } from '../program/source.ts'
import { effectsOf } from '../steps/trial-step.ts'
import { stepsToCarry } from './rerun.ts'

interface Recorded extends Settled {
  name: string
}

/** Where a run first goes another way: the name of that step, and the recorded steps before it. */
interface FirstChange {
  step: string
  before: Recorded[]
}

const hasResult = ({ status }: Recorded): boolean => status === 'completed' || status === 'skipped'

const configText = ({ config }: ProgramStep): string => canonicalJson(config)

/** Makes the test whether a step is another one now: its config, or a parameter of the run that it reads. */
const makeChanged = (source: Program, parameters: readonly string[]): ((step: ProgramStep) => boolean) => {
  const others = new Set(parameters)
  const known = new Map<string, boolean>()
  const reads = ({ bindings }: ProgramStep) =>
    bindings.some((binding) =>
      pathsOf(binding.source).some(({ root, segments: [first] }) =>
        root === 'init_params' ? first?.kind !== 'name' || others.has(first.name) : false,
      ),
    )
  const look = (step: ProgramStep): boolean => {
    const former = source.steps[source.indexOf.get(step.name) ?? -1]
    return !former || configText(former) !== configText(step) || (others.size > 0 && reads(step))
  }
  return (step) => {
    const found = known.get(step.name) ?? look(step)
    known.set(step.name, found)
    return found
  }
}

/** Follows the path that the run took, as the target goes it with the recorded results. */
const alongPath = (target: Program, recorded: Recorded[], isChanged: (step: ProgramStep) => boolean) => {
  for (let at = 0; at <= recorded.length; at++) {
    const before = recorded.slice(0, at)
    const { branchState, next } = branchStateAfter(target, before)
    const step = target.steps[next]
    const turn = step ? turnOf(branchState, step) : 1
    const name = step && (turn > 1 ? `${step.name}__${turn}` : step.name)
    const row = recorded[at]
    if (!step || name === undefined) return row ? { step: row.name, before } : undefined
    // A step that no branch chose is recorded as skipped, and does nothing.
    if (!row || row.name !== name || (isChosen(branchState, step) && isChanged(step))) return { step: name, before }
    if (!hasResult(row) && !step.options.continueOnError) return undefined // it ended here, as it would again
  }
  return undefined
}

/** In parallel execution: steps that are others now, and those that depend on them, are executed. */
const besideEachOther = (
  { source, target }: { source: Program; target: Program },
  recorded: Recorded[],
  isChanged: (step: ProgramStep) => boolean,
): FirstChange | undefined => {
  const executed = new Set<number>()
  for (const step of target.steps) {
    if (isChanged(step) || step.after.some((index) => executed.has(index))) executed.add(step.index)
  }
  const [first] = executed
  const gone = source.steps.find(({ name }) => !target.indexOf.has(name))
  const step = first === undefined ? gone : target.steps[first]
  if (!step) return undefined
  const before = recorded.filter((row) => {
    const at = indexOfRecorded(target, row.name)
    return at >= 0 && !executed.has(at) && hasResult(row)
  })
  return { step: step.name, before }
}

const writingSteps = ({ steps }: Program, before: readonly Recorded[]): string[] => {
  const carried = new Set(before.map(({ name }) => name))
  return steps
    .filter((step) => !carried.has(step.name) && effectsOf(step, step.config as Record<string, Json>) === 'writes')
    .map(({ name }) => name)
}

/**
 * Finds the first step of a recorded run that another workflow, or other parameters, would change, and which recorded
 * results stand before it. Reads one row for each step.
 */
export const planTrial = async (
  queries: Queries,
  programs: Pick<Programs, 'of'>,
  { source, definitions, parameters }: TrialOf,
): Promise<PlannedTrial> => {
  const [from, to] = [await programs.of(definitions.source), await programs.of(definitions.target)]
  const recorded = await stepsToCarry(queries, source.key, steeringPattern(from))
  const isChanged = makeChanged(from, parameters)
  if (from.isParallel !== to.isParallel) {
    return { step: to.steps[0]?.name ?? null, carry: undefined, writes: writingSteps(to, []) }
  }
  const change = to.isParallel
    ? besideEachOther({ source: from, target: to }, recorded, isChanged)
    : alongPath(to, recorded, isChanged)
  if (!change) return { step: null, carry: undefined, writes: [] }
  const carry: Carry = { source, steps: change.before.map(({ seq, name }) => ({ seq, name })) }
  const writes = writingSteps(to, change.before)
  return { step: change.step, carry: carry.steps.length > 0 ? carry : undefined, writes }
}
