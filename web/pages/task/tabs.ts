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

/** What a tab remembers in the address beside its name. */
const kept: Partial<Record<TaskTab, readonly Exclude<keyof TaskSearch, 'tab' | 'version'>[]>> = {
  routines: ['routine'],
  hooks: ['hook'],
  batches: ['batch'],
  evaluations: ['evaluation'],
  experiments: ['experiment'],
  definition: ['mends', 'from'],
}

/** Parameters of a task's page beside those of its runs. */
export const taskSearch = (search: Record<string, unknown>): TaskSearch => {
  const tab = readTaskTab(search.tab)
  const found: TaskSearch = tab === 'runs' ? {} : { tab }
  const version = Number(search.version)
  if (tab === 'versions' && search.version !== undefined && Number.isInteger(version)) found.version = version
  for (const name of kept[tab] ?? []) {
    const value = search[name]
    if (typeof value === 'string' && value !== '') found[name] = value
  }
  return found
}
