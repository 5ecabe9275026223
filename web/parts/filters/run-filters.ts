import type { RunSort } from '../../../src/model/runs/run-lists.ts'
import { allOf, firstOf } from '../../data/search-text.ts'
import { durationText } from '../../text/times.ts'

const lists = [
  'status',
  'status_not',
  'label',
  'label_not',
  'task',
  'task_not',
  'trigger',
  'author',
  'waiting_for',
] as const
const bounds = ['min_cost_usd', 'max_cost_usd', 'min_duration_seconds', 'max_duration_seconds'] as const
const single = ['q', 'error', 'model', 'version', 'parent_id', 'since', ...bounds] as const

type ListName = (typeof lists)[number]
type BoundName = (typeof bounds)[number]
type SingleName = (typeof single)[number]

/** What a list of runs can be sorted by. */
export const sorts: readonly RunSort[] = ['created', 'duration', 'cost']

/**
 * What a list of runs is limited to, and its order. The names are those of the API, but for `since`, a time span such
 * as `7d`.
 */
export type RunFilters = { [Name in ListName]: string[] } & { [Name in SingleName]?: string } & {
  /** Runs that other runs started are in the list too. */
  children?: 'shown'
  /** Absent: by the time of creation. */
  sort?: Exclude<RunSort, 'created'>
  /** Absent: the newest, longest or most expensive run first. */
  order?: 'asc'
}

/** Search parameters of a page with these filters: what is not restricted is not there. */
type FilterSearch = { [Name in ListName | SingleName | 'children' | 'sort' | 'order']?: string | string[] }

export const noFilters: RunFilters = Object.fromEntries(lists.map((name) => [name, []])) as unknown as RunFilters

/** Reads filters from the search parameters of a page; it ignores what it does not know. */
export const readFilters = (search: Record<string, unknown>): RunFilters => {
  const filters = { ...noFilters }
  for (const name of lists) filters[name] = [...new Set(allOf(search[name]))]
  for (const name of single) {
    const value = firstOf(search[name])
    if (value !== undefined) filters[name] = value
  }
  if (search.children === 'shown') filters.children = 'shown'
  if (search.sort === 'duration' || search.sort === 'cost') filters.sort = search.sort
  if (search.order === 'asc') filters.order = 'asc'
  for (const name of bounds) if (filters[name] !== undefined && !isAmount(filters[name])) delete filters[name]
  if (filters.since !== undefined && sinceMs(filters.since) === undefined) delete filters.since
  return filters
}

/** Whether a text is a number of at least 0, as the API reads one. */
const isAmount = (text: string): boolean => text.trim() !== '' && Number(text) >= 0 && Number(text) <= 1_000_000_000

/** Writes filters as search parameters. */
export const filterSearch = (filters: RunFilters): FilterSearch => {
  const search: FilterSearch = {}
  for (const name of lists) if (filters[name].length > 0) search[name] = filters[name]
  for (const name of single) if (filters[name] !== undefined) search[name] = filters[name]
  for (const name of ['children', 'sort', 'order'] as const) if (filters[name]) search[name] = filters[name]
  return search
}

/** Filters with another order: a column that sorts already is turned round. */
export const sortedBy = ({ sort, order, ...rest }: RunFilters, by: RunSort): RunFilters => ({
  ...rest,
  ...(by === 'created' ? {} : { sort: by }),
  ...(by === (sort ?? 'created') && order !== 'asc' ? { order: 'asc' as const } : {}),
})

const spanMs = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Length of a time span such as `30m`, `24h` or `7d`; undefined for anything else. */
export const sinceMs = (span: string): number | undefined => {
  const [, count, unit] = /^(\d{1,4})([mhd])$/.exec(span) ?? []
  return unit === undefined ? undefined : Number(count) * spanMs[unit as keyof typeof spanMs]
}

/** Whether a list folds child runs into the runs that started them. */
const hidesChildren = ({ children, parent_id: parent }: RunFilters): boolean =>
  children !== 'shown' && parent === undefined

/** The query of the API for these filters, without the order. */
export const filterQuery = (all: RunFilters, now: number) => {
  const { since, children: _, sort: __, order: ___, ...filters } = all
  const span = since === undefined ? undefined : sinceMs(since)
  return {
    ...filters,
    ...(hidesChildren(all) ? { top_level: true } : {}),
    ...(span === undefined ? {} : { created_after: new Date(now - span).toISOString() }),
  }
}

/** The query of the API for a list with these filters, in its order. */
export const listQuery = (filters: RunFilters, now: number) => ({
  ...filterQuery(filters, now),
  ...(filters.sort === undefined ? {} : { sort: filters.sort }),
  ...(filters.order === undefined ? {} : { order: filters.order }),
})

/** One restriction, as a person sees and removes it. */
export interface FilterChip {
  name: ListName | Exclude<SingleName, 'q' | 'since'> | 'children'
  field: string
  isNot: boolean
  value: string
  /** The value as it is shown. */
  text: string
}

const fields: Record<FilterChip['name'], string> = {
  status: 'status',
  status_not: 'status',
  label: 'label',
  label_not: 'label',
  task: 'task',
  task_not: 'task',
  trigger: 'started by',
  author: 'of',
  error: 'error',
  model: 'model',
  version: 'version',
  parent_id: 'child of',
  waiting_for: 'waiting for',
  min_cost_usd: 'cost',
  max_cost_usd: 'cost',
  min_duration_seconds: 'took',
  max_duration_seconds: 'took',
  children: 'child runs',
}

const boundText = (name: BoundName, value: string): string => {
  const amount = name.endsWith('_usd') ? `$${value}` : durationText(Number(value))
  return `${name.startsWith('min') ? 'at least' : 'at most'} ${amount}`
}

const isBound = (name: string): name is BoundName => bounds.some((one) => one === name)

const valueTexts: Record<string, string> = { approval: 'a person', event: 'an event' }

const textOf = (name: FilterChip['name'], value: string): string =>
  isBound(name) ? boundText(name, value) : name === 'waiting_for' ? (valueTexts[value] ?? value) : value

/** The restrictions of a list, in the order in which they are shown; text and time have places of their own. */
export const chipsOf = (filters: RunFilters): FilterChip[] =>
  (Object.keys(fields) as FilterChip['name'][]).flatMap((name) =>
    [filters[name] ?? []].flat().map((value) => ({
      name,
      field: fields[name],
      isNot: name.endsWith('_not'),
      value,
      text: textOf(name, value),
    })),
  )

const isListName = (name: string): name is ListName => lists.some((one) => one === name)

/** Filters with one restriction more; a single one replaces its former value. */
export const withFilter = (filters: RunFilters, name: FilterChip['name'], value: string): RunFilters =>
  isListName(name)
    ? { ...filters, [name]: [...new Set([...filters[name], value])] }
    : { ...filters, [name]: name === 'children' ? 'shown' : value }

/** Filters without one restriction. */
export const withoutFilter = (filters: RunFilters, { name, value }: Pick<FilterChip, 'name' | 'value'>): RunFilters => {
  if (isListName(name)) return { ...filters, [name]: filters[name].filter((one) => one !== value) }
  const { [name]: _, ...rest } = filters
  return rest
}

const opposites: Partial<Record<FilterChip['name'], ListName>> = {
  status: 'status_not',
  status_not: 'status',
  label: 'label_not',
  label_not: 'label',
  task: 'task_not',
  task_not: 'task',
}

/** Whether a restriction has an opposite. */
export const canNegate = ({ name }: FilterChip): boolean => opposites[name] !== undefined

/** Filters with one restriction turned into its opposite. */
export const negatedFilter = (filters: RunFilters, chip: FilterChip): RunFilters => {
  const opposite = opposites[chip.name]
  return opposite === undefined ? filters : withFilter(withoutFilter(filters, chip), opposite, chip.value)
}

/** The same list without a limit: its order stays, and whether it has child runs. */
export const withoutLimits = ({ sort, order, children }: RunFilters): RunFilters => ({
  ...noFilters,
  ...(sort && { sort }),
  ...(order && { order }),
  ...(children && { children }),
})

/** Whether a list is limited at all. */
export const isFiltered = (filters: RunFilters): boolean =>
  chipsOf(filters).some(({ name }) => name !== 'children') || filters.q !== undefined || filters.since !== undefined
