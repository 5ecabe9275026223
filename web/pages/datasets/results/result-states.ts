/** States of the result of an item, the order in which they are shown, and the mark of each. */
export const resultStates = [
  { name: 'fresh', text: 'with a result', mark: 'completed' },
  { name: 'item_changed', text: 'item changed since', mark: 'waiting' },
  { name: 'task_changed', text: 'task changed since', mark: 'waiting' },
  { name: 'running', text: 'running', mark: 'running' },
  { name: 'failed', text: 'failed', mark: 'failed' },
  { name: 'missing', text: 'never run', mark: 'skipped' },
] as const

type StateName = (typeof resultStates)[number]['name']

/** Items for which the task is to be run again. */
export const staleCount = (counts: Partial<Record<StateName, number>>): number =>
  (['item_changed', 'task_changed', 'failed', 'missing'] as const).reduce((sum, name) => sum + (counts[name] ?? 0), 0)
