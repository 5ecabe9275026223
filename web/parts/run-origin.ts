import { isObject } from '../../src/lib/json/json-object.ts'

/** Members of a run that say why it exists; a list and the run itself have them in different places. */
interface RunFacts {
  collection: string
  task: string
  trajectory_id: string
  author: string
  triggered_by_routine_id: number | null
  /** `attributes.params`. */
  params: Record<string, unknown>
}

/** Why a run exists. */
interface Origin {
  kind: 'routine' | 'hook' | 'rerun' | 'replay' | 'parent' | 'person'
  text: string
  /** The run that it comes from. */
  from?: { task: string; id: string }
  /** Name of the routine. */
  routine?: string
  /** Name of the hook. */
  hook?: string
}

const record = (value: unknown): Record<string, unknown> | undefined => (isObject(value) ? value : undefined)

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** The run that a member of `params` names: `of` or `trajectory_id`, and a task as `collection/task`. */
const runIn = (value: Record<string, unknown>, task: string): Origin['from'] => {
  const id = value.of ?? value.trajectory_id
  const name = value.task ?? value.name
  if (typeof id !== 'string') return undefined
  return { task: typeof name === 'string' ? name.slice(name.indexOf('/') + 1) : task, id }
}

/** Finds out what started a run. */
export const originOfRun = (run: Omit<RunFacts, 'collection' | 'trajectory_id'>): Origin => {
  const { params } = run
  const made = (kind: Origin['kind'], text: string, from?: Origin['from']): Origin => ({
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
  if (run.triggered_by_routine_id !== null) {
    const name = textOf(record(params.routine)?.name)
    return name === undefined ? made('routine', 'a routine') : { ...made('routine', `routine ${name}`), routine: name }
  }
  const hook = textOf(record(params.hook)?.name)
  if (hook !== undefined) return { ...made('hook', `hook ${hook}`), hook }
  return made('person', run.author)
}

/** The batch or evaluation that a run carries out. */
interface JobOfRun {
  noun: 'batch' | 'evaluation'
  /** Its own name, or that of the task that it runs. */
  text: string
  /** Address of its report. */
  href: string
}

/** Finds the batch or evaluation that a run of `_batch` or `_evaluation` is. */
export const jobOfRun = ({ collection, trajectory_id: id, params }: RunFacts): JobOfRun | undefined => {
  const noun = record(params.batch) ? 'batch' : record(params.evaluation) ? 'evaluation' : undefined
  if (noun === undefined) return undefined
  const { name, task } = record(params[noun]) ?? {}
  const about = textOf(task)
  if (about === undefined) return undefined
  const tab = noun === 'batch' ? 'batches' : 'evaluations'
  const given = textOf(name)
  return {
    noun,
    text: given === undefined ? `${noun} of ${about}` : `${given} · ${noun} of ${about}`,
    href: `/${encodeURIComponent(collection)}/${encodeURIComponent(about)}?${new URLSearchParams({ tab, [noun]: id })}`,
  }
}
