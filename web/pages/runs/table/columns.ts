import type { RunSort } from '../../../../src/model/runs/run-lists.ts'

/** Widths of the columns, from narrow to wide boxes; a column that has no room is left out with its cells. */
export const gridClass = (hasTask: boolean): string =>
  hasTask
    ? 'grid items-center gap-x-3 px-4 grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_minmax(5rem,1fr)_5.5rem_5rem] @3xl:grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_minmax(5rem,1fr)_5.5rem_5rem_3.5rem_4.5rem] @4xl:grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_minmax(5rem,1fr)_5.5rem_5rem_3.5rem_4.5rem_minmax(8rem,1.2fr)] @6xl:grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_minmax(5rem,1fr)_5.5rem_5rem_3.5rem_4.5rem_3.5rem_3rem_7rem_minmax(8rem,1fr)]'
    : 'grid items-center gap-x-3 px-4 grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_5.5rem_5rem] @3xl:grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_5.5rem_5rem_3.5rem_4.5rem] @4xl:grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_5.5rem_5rem_3.5rem_4.5rem_minmax(8rem,1fr)] @6xl:grid-cols-[1rem_6.5rem_minmax(5rem,1.5fr)_5.5rem_5rem_3.5rem_4.5rem_3.5rem_3rem_7rem_minmax(8rem,1fr)]'

/** From which width of the box a column is shown. */
export const middleClass = 'hidden @3xl:block'
const labelsClass = 'hidden @4xl:block'
export const wideClass = 'hidden @6xl:block'

interface Column {
  name: string
  className?: string
  isNumber?: boolean
  sort?: RunSort
}

/** Heads of the columns behind the one for selecting. */
export const tableColumns = (hasTask: boolean): Column[] => [
  { name: 'Status' },
  { name: 'Run' },
  ...(hasTask ? [{ name: 'Task' }] : []),
  { name: 'Started', sort: 'created' },
  { name: 'Duration', isNumber: true, sort: 'duration' },
  { name: 'Steps', className: middleClass, isNumber: true },
  { name: 'Cost', className: middleClass, isNumber: true, sort: 'cost' },
  { name: 'Tokens', className: wideClass, isNumber: true },
  { name: 'Version', className: wideClass },
  { name: 'Started by', className: wideClass },
  { name: 'Labels', className: labelsClass },
]
