import { csvRow } from '../../lib/text/csv.ts'
import type { BatchResult } from '../../model/runs/batch.ts'

/** Number of results examined for column names. */
export const sampledResults = 1_000
/** Maximum columns for parameters and outputs together. */
const mostColumns = 500

/** Columns of a result table: one for each member of parameters and outputs. */
export interface Columns {
  params: string[]
  outputs: string[]
  /** True if a last column has the other members, as JSON. */
  hasRest: boolean
}

/**
 * Finds the columns: the members of the first results, in order of appearance. Adds a column for the rest only when
 * there are more results than examined, or more members than allowed.
 */
export const columnsOf = async (sample: AsyncIterable<BatchResult>, total: number): Promise<Columns> => {
  const params = new Set<string>()
  const outputs = new Set<string>()
  let hasRest = total > sampledResults
  const note = (into: Set<string>, value: object | null) => {
    for (const name of Object.keys(value ?? {})) {
      if (into.has(name)) continue
      if (params.size + outputs.size < mostColumns) into.add(name)
      else hasRest = true
    }
  }
  for await (const result of sample) {
    note(params, result.init_params)
    note(outputs, result.outputs)
  }
  return { params: [...params], outputs: [...outputs], hasRest }
}

const fixed = [
  ...(['index', 'item_id', 'dataset_version', 'trajectory_id', 'status', 'error'] as const),
  ...(['cost_usd', 'duration_seconds'] as const),
]

/** Formats the header row. */
export const tableHead = ({ params, outputs, hasRest }: Columns): string =>
  csvRow([
    ...fixed,
    ...params.map((name) => `init_params.${name}`),
    ...outputs.map((name) => `outputs.${name}`),
    ...(hasRest ? ['rest'] : []),
  ])

const restOf = (value: object | null, known: ReadonlySet<string>): object =>
  Object.fromEntries(Object.entries(value ?? {}).filter(([name]) => !known.has(name)))

const memberOf = (value: Record<string, unknown> | null, name: string): unknown =>
  value && Object.hasOwn(value, name) ? value[name] : undefined

/** Makes a formatter of rows: text as it is, lists and objects as JSON. */
export const makeTableRow = ({ params, outputs, hasRest }: Columns): ((result: BatchResult) => string) => {
  const [knownParams, knownOutputs] = [new Set(params), new Set(outputs)]
  const rest = (result: BatchResult): unknown => {
    const left = {
      init_params: restOf(result.init_params, knownParams),
      outputs: restOf(result.outputs, knownOutputs),
    }
    const members = Object.entries(left).filter(([, value]) => Object.keys(value).length > 0)
    return members.length === 0 ? null : Object.fromEntries(members)
  }
  return (result) =>
    csvRow([
      ...fixed.map((name) => result[name]),
      ...params.map((name) => memberOf(result.init_params, name)),
      ...outputs.map((name) => memberOf(result.outputs, name)),
      ...(hasRest ? [rest(result)] : []),
    ])
}
