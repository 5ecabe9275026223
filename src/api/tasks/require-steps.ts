import { invalidField } from '../../lib/errors.ts'
import { nearest } from '../../lib/text/nearest.ts'

const mostNamed = 10

/**
 * Refuses a workflow with members but no list of steps: its runs would complete without doing anything. An empty
 * workflow is a task to be filled in later.
 */
export const requireSteps = (workflow: object): void => {
  const names = Object.keys(workflow)
  if (names.length === 0 || names.includes('steps')) return
  const meant = names.find((name) => nearest(name, ['steps']) !== undefined)
  const question = meant === undefined ? '' : `. Did you mean "steps" for "${meant}"?`
  throw invalidField(
    ['body', 'workflow', 'steps'],
    `A workflow needs steps, a list of step names; it has ${names.slice(0, mostNamed).join(', ')}${question}`,
  )
}
