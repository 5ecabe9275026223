import type { Run } from '../../data/run.ts'

/** Why a run exists. */
interface Trigger {
  kind: 'routine' | 'rerun' | 'replay' | 'parent' | 'person'
  text: string
  /** The run that it comes from. */
  from?: { task: string; id: string }
}

const record = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined

/** The run that a member of `params` names: `of` or `trajectory_id`, and a task as `collection/task`. */
const runIn = (value: Record<string, unknown>, task: string): Trigger['from'] => {
  const id = value.of ?? value.trajectory_id
  const name = value.task ?? value.name
  if (typeof id !== 'string') return undefined
  return { task: typeof name === 'string' ? name.slice(name.indexOf('/') + 1) : task, id }
}

/** Finds out what started a run. */
export const originOfRun = (run: Pick<Run, 'attributes' | 'triggered_by_routine_id' | 'task' | 'author'>): Trigger => {
  const { params } = run.attributes
  const made = (kind: Trigger['kind'], text: string, from?: Trigger['from']): Trigger => ({
    kind,
    text,
    ...(from ? { from } : {}),
  })
  const replay = record(params.replay)
  const rerun = record(params.rerun)
  const parent = record(params.parent)
  if (replay) return made('replay', 'replay', runIn(replay, run.task))
  if (rerun) return made('rerun', 're-run', runIn(rerun, run.task))
  if (parent) return made('parent', 'child run', runIn(parent, run.task))
  if (run.triggered_by_routine_id !== null) return made('routine', 'routine')
  return made('person', run.author)
}
