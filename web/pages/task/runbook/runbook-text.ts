import type { ReadTask } from '../use-task.ts'
import { type RunbookPlaces, textAt } from './runbook-places.ts'
import { setMember } from './set-member.ts'

/** What of a runbook is saved with its task. Without an agent or model, the runbook itself decides. */
interface RunbookText {
  instruction: string
  agent: string
  model: string
}

type Stored = Pick<ReadTask, 'workflowText'> & { task: { workflow: unknown } }

/** Reads the runbook of a task. */
export const runbookTextOf = ({ task: { workflow } }: Stored, places: RunbookPlaces): RunbookText => ({
  instruction: textAt(workflow, places.instruction),
  agent: textAt(workflow, places.agent),
  model: textAt(workflow, places.model),
})

/** The workflow of a task with another runbook in it, as text. What was not changed stays byte for byte. */
export const workflowWith = (stored: Stored, places: RunbookPlaces, edited: RunbookText): string => {
  const before = runbookTextOf(stored, places)
  let text = stored.workflowText
  for (const name of ['instruction', 'agent', 'model'] as const) {
    const path = places[name]
    if (path === undefined || edited[name] === before[name]) continue
    text = setMember(text, path, JSON.stringify(name !== 'instruction' && edited[name] === '' ? null : edited[name]))
  }
  return text
}
