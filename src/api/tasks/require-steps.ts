import { invalidField } from '../../lib/errors.ts'
import { nearest } from '../../lib/text/nearest.ts'

const mostNamed = 10

/**
 * Refuses a workflow that has members, and no list of steps among them: its runs would complete having done nothing. An
 * empty one is a task whose workflow is still to come.
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
