import { invalidField } from '../../lib/errors.ts'
import type { Queries } from '../../store/database/database.ts'
import type { Carry, Rerun, RerunOf } from '../engine.ts'
import type { Environment } from '../environment/environment.ts'
import type { Program, ProgramStep } from '../program/program.ts'
import type { Programs } from '../program/programs.ts'
import { neededPathsOf } from '../program/source.ts'
import { planCarry } from './plan-carry.ts'

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
