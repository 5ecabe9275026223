import type { Queries } from '../../database/database.ts'
import { invalidField } from '../../lib/errors.ts'
import type { Carry, Rerun, RerunOf } from '../engine.ts'
import type { Environment } from '../environment/environment.ts'
import { type Binding, readsOf } from '../program/bindings.ts'
import type { Program, ProgramStep } from '../program/program.ts'
import type { Programs } from '../program/programs.ts'
import { planCarry } from './plan-carry.ts'

/**
 * What the run begins with. Throws a 422 where the old run has no results for it, or its workflow cannot be run at all.
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

/** Those of some steps that will be executed: none that are carried, and none at all in a replay. */
export const stillToCome = (steps: ProgramStep[], { carry, replayOf }: Rerun): ProgramStep[] => {
  if (replayOf !== undefined) return []
  const isDone = doneIn(carry)
  return steps.filter((step) => !isDone(step))
}

/** Which steps will not be executed any more; one in a loop may come again. */
const doneIn = (carry: Carry | undefined): ((step: ProgramStep) => boolean) => {
  const carried = new Set(carry?.steps.map(({ name }) => name))
  return ({ name, loop }) => carried.has(name) && loop === undefined
}

/**
 * Refuses a run whose steps read a variable that nobody has set: what was given as a secret with the old run was deleted
 * at its end, and a step that only leaves out what is missing would do something else than before.
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

const hasNoDefault = ({ fallback }: Binding): boolean => fallback === undefined

const variablesOf = ({ bindings, usesEnvironment }: ProgramStep): string[] =>
  usesEnvironment
    ? bindings.filter(hasNoDefault).flatMap((binding) =>
        readsOf(binding)
          .filter(({ root }) => root === 'env')
          .flatMap(({ segments: [first] }) => (first?.kind === 'name' ? [first.name] : [])),
      )
    : []
