/** The tabs of a task, in their order. The first one is the page without a parameter. */
export const taskTabs = [
  ['runs', 'Runs'],
  ['run', 'Run'],
  ['runbook', 'Runbook'],
  ['definition', 'Definition'],
  ['versions', 'Versions'],
  ['routines', 'Routines'],
  ['hooks', 'Hooks'],
  ['batches', 'Batches'],
  ['evaluations', 'Evaluations'],
  ['experiments', 'Experiments'],
  ['stats', 'Statistics'],
] as const

export type TaskTab = (typeof taskTabs)[number][0]

/** Reads the tab from the parameters of the page. */
export const readTaskTab = (value: unknown): TaskTab => taskTabs.find(([name]) => name === value)?.[0] ?? 'runs'

interface TaskSearch {
  tab?: TaskTab
  version?: number
  routine?: string
  hook?: string
  batch?: string
  evaluation?: string
  experiment?: string
  /** With the definition: the failed run that is to be mended, and its step. */
  mends?: string
  from?: string
}

/** Parameters of a task's page beside those of its runs. */
export const taskSearch = (search: Record<string, unknown>): TaskSearch => {
  const tab = readTaskTab(search.tab)
  const version = Number(search.version)
  const { routine, hook, batch, evaluation, experiment, mends, from } = search
  return {
    ...(tab === 'runs' ? {} : { tab }),
    ...(tab === 'versions' && Number.isInteger(version) && search.version !== undefined ? { version } : {}),
    ...(tab === 'routines' && typeof routine === 'string' && routine !== '' ? { routine } : {}),
    ...(tab === 'hooks' && typeof hook === 'string' && hook !== '' ? { hook } : {}),
    ...(tab === 'batches' && typeof batch === 'string' && batch !== '' ? { batch } : {}),
    ...(tab === 'definition' && typeof mends === 'string' && mends !== '' ? { mends } : {}),
    ...(tab === 'definition' && typeof from === 'string' && from !== '' ? { from } : {}),
    ...(tab === 'evaluations' && typeof evaluation === 'string' && evaluation !== '' ? { evaluation } : {}),
    ...(tab === 'experiments' && typeof experiment === 'string' && experiment !== '' ? { experiment } : {}),
  }
}
