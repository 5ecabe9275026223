import { runStatusesBut, type VersionFilter } from '../../../model/runs/run-filter.ts'
import type { RunTrigger } from '../../../model/runs/run-lists.ts'
import type { RunStatus } from '../../../model/workflows/workflow.ts'
import { taskVersions } from '../../tasks/task-versions.ts'
import { initParamsText } from '../runs.ts'

/** A label to match: a key with any value, or with one. */
interface LabelMatch {
  key: string
  value: string | undefined
}

/** Filter of a list of runs; an omitted member does not restrict it. */
export interface RunFilter {
  /** The run's status must be one of these. */
  statuses: readonly RunStatus[]
  /** The run's status must be none of these. */
  statusesNot: readonly RunStatus[]
  /** The run must have all of these, set by any author. */
  labels: readonly LabelMatch[]
  /** The run must have none of these, set by any author. */
  labelsNot: readonly LabelMatch[]
  /** Leaves out runs that other runs started. */
  topLevel: boolean
  /** The run must have been started by a starter of one of these kinds. */
  triggers: readonly RunTrigger[]
  /** The run's author must be one of these. */
  authors: readonly string[]
  /** The run executes the workflow of this version of its task. */
  version: VersionFilter | undefined
  routineId: number | undefined
  /** Text that the id, the error or the JSON of init_params contains (case-insensitive). */
  text: string | undefined
  createdAfterMs: number | undefined
  createdBeforeMs: number | undefined
}

export const noFilter: RunFilter = {
  statuses: [],
  statusesNot: [],
  labels: [],
  labelsNot: [],
  topLevel: false,
  triggers: [],
  authors: [],
  version: undefined,
  routineId: undefined,
  text: undefined,
  createdAfterMs: undefined,
  createdBeforeMs: undefined,
}

/** Whether no member of a filter restricts the list. */
export const restrictsNothing = (filter: object): boolean =>
  Object.values(filter).every((one) => one === undefined || one === false || (Array.isArray(one) && one.length === 0))

/** Parameters of a statement under construction. */
export interface Parameters {
  values: unknown[]
  /** Adds a value and returns its placeholder. */
  put(value: unknown, type: string): string
}

export const makeParameters = (): Parameters => {
  const values: unknown[] = []
  return {
    values,
    put(value, type) {
      values.push(value)
      return `$${values.length}::${type}`
    },
  }
}

/** Statuses that the index on the status can serve; empty when every status fits, or when none does. */
export const indexedStatuses = ({ statuses, statusesNot }: RunFilter): readonly RunStatus[] =>
  statuses.length > 0 || statusesNot.length > 0 ? runStatusesBut(statuses, statusesNot) : []

/** SQL expression: what started a row `r` of runs. */
export const triggerOf = `case when r.ingested then 'ingest' when r.parent_id is not null then 'parent'
  when r.routine_id is not null then 'routine'
  when r.params like '{"rerun":%' or r.params like '{"replay":%' then 'rerun'
  when exists (select from steps s where s.run_id = r.id and s.seq = 0 and s.epoch = 0) then 'gateway'
  else 'api' end`

/** Conditions on a row `r` of runs that cost one look into an index each, so that many runs can be checked. */
export const checksOf = ({ put }: Parameters, filter: RunFilter): string[] => {
  const { topLevel, triggers, authors, version, statusesNot } = filter
  const isContradiction = statusesNot.length > 0 && indexedStatuses(filter).length === 0
  return [
    ...(isContradiction ? ['false'] : []),
    ...(topLevel ? ['r.parent_id is null'] : []),
    ...(triggers.length > 0 ? [`${triggerOf} = any(${put(triggers, 'text[]')})`] : []),
    ...(authors.length > 0 ? [`r.author = any(${put(authors, 'text[]')})`] : []),
    ...(version === undefined ? [] : [`r.definition = ${definitionOf(put, version)}`]),
    ...filter.labelsNot.map((label) => `not ${hasLabel(put, label)}`),
  ]
}

const definitionOf = (put: Parameters['put'], version: VersionFilter): string => {
  if ('definition' in version) return put(version.definition, 'text')
  const seq =
    'index' in version ? put(version.index, 'int') : taskVersions.seqOfTag('r.task_id', put(version.tag, 'text'))
  return `(select v.definition from task_versions v where v.task_id = r.task_id and v.seq = ${seq})`
}

/** SQL condition: a row `r` of runs has a label. */
export const hasLabel = (put: Parameters['put'], label: LabelMatch): string =>
  `exists (select from labels o where o.run_id = r.id and o.key = ${put(label.key, 'text')}${
    label.value === undefined ? '' : ` and o.value = ${put(label.value, 'text')}`
  })`

/** Builds an `ilike` pattern that matches a text anywhere. */
export const anywhere = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`

/** SQL condition: a row `r` of runs has a text, as it is or as a JSON string spells it. */
export const hasText = (put: Parameters['put'], text: string): string => {
  const pattern = (wanted: string) => put(anywhere(wanted), 'text')
  const plain = pattern(text)
  const escaped = JSON.stringify(text).slice(1, -1)
  const inJson = escaped === text ? '' : ` or ${initParamsText} ilike ${pattern(escaped)}`
  return `(r.trajectory_id ilike ${plain} or r.error ilike ${plain} or ${initParamsText} ilike ${plain}${inJson})`
}
