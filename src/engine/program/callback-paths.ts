import { eventActivity } from '../../model/events/event.ts'
import { type Finding, question } from './finding.ts'
import type { WrittenStep } from './flow.ts'
import type { GuessStep } from './listed-steps.ts'
import type { Path } from './paths.ts'
import type { Roots } from './source.ts'

/** Root of paths to callback URLs: `callbacks.<step>`. In a workflow with a step of that name it means the step. */
export const callbacksRoot = 'callbacks'

/** The step whose callback URL a path reads. */
export const callbackIn = ({ root, segments: [step, ...rest] }: Path): string[] =>
  root === callbacksRoot && step?.kind === 'name' && rest.length === 0 ? [step.name] : []

/**
 * Adds the callbacks of a workflow's steps to the roots that each step may name. A text with `{{callbacks.…}}` stays as it
 * is in a workflow without a step that waits for an event, as with every root that is not there.
 */
export const withCallbacks = (
  rootsOf: (index: number) => Roots,
  steps: readonly WrittenStep[],
  guessStep: GuessStep,
): ((index: number) => Roots) => {
  const waiting = new Set(steps.filter(({ activity }) => activity.name === eventActivity).map(({ name }) => name))
  const problem = (path: Path): Finding | undefined => {
    const [step] = callbackIn(path)
    if (step !== undefined && waiting.has(step)) return undefined
    if (step === undefined) {
      return { message: `'${path.text}' is no callback; expected callbacks and the name of a ${eventActivity} step` }
    }
    const meant = guessStep(step)
    const near = meant !== undefined && waiting.has(meant) ? meant : undefined
    return { message: `'${path.text}': '${step}' is no step of ${eventActivity}${question(near)}`, meant: near }
  }
  return (index) => {
    const roots = rootsOf(index)
    return {
      known: (root) => (root === callbacksRoot && waiting.size > 0) || roots.known(root),
      problem: (path) => (path.root === callbacksRoot ? problem(path) : roots.problem(path)),
    }
  }
}
