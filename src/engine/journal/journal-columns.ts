/** SQL types of the columns that statements take, and the values that fill them. */
interface ColumnValues {
  text: string | null
  jsonb: string | null
  int: number | null
  bigint: number | null
  float8: number | null
  bool: boolean | null
}

type Column = readonly [name: string, type: keyof ColumnValues]

/** The values of one row, one for each of its columns. */
export type RowValues<Columns extends readonly Column[]> = { [At in keyof Columns]: ColumnValues[Columns[At][1]] }

/** A new run. Times are milliseconds since 1970, as in all lists here. */
export const runInput = [
  ['id', 'text'],
  ['lease', 'text'],
  ['epoch', 'int'],
  ['trajectory_id', 'text'],
  ['workflow_id', 'text'],
  ['collection_id', 'bigint'],
  ['task_id', 'bigint'],
  ['name', 'text'],
  ['definition', 'text'],
  ['shown_definition', 'text'],
  ['init_params', 'text'],
  ['author', 'text'],
  ['environment_id', 'bigint'],
  ['sealed_secrets', 'text'],
  ['more', 'jsonb'],
  ['created', 'float8'],
] as const satisfies readonly Column[]

/** A run that is first written when it has ended. */
export const bornInput = [
  ...runInput,
  ['parent', 'text'],
  ['status', 'text'],
  ['error', 'text'],
  ['started', 'float8'],
  ['ended', 'float8'],
] as const satisfies readonly Column[]

/** A step that has begun or ended. */
export const stepInput = [
  ['run_id', 'text'],
  ['task_id', 'bigint'],
  ['lease', 'text'],
  ['epoch', 'int'],
  ['seq', 'int'],
  ['name', 'text'],
  ['turn', 'int'],
  ['status', 'text'],
  ['attempt', 'int'],
  ['inputs', 'text'],
  ['outputs', 'text'],
  ['inputs_payload', 'text'],
  ['outputs_payload', 'text'],
  ['error', 'text'],
  ['warnings', 'text'],
  ['origin', 'text'],
  ['usage', 'text'],
  ['work_ms', 'bigint'],
  ['started', 'float8'],
  ['wake', 'float8'],
  ['ended', 'float8'],
] as const satisfies readonly Column[]

/** Columns of a step in a batch with runs that are written for the first time, at their end: `born` if its run is one of them. */
export const bornStepInput = [...stepInput, ['born', 'bool']] as const satisfies readonly Column[]

/** A run that begins with its first step. */
export const beginInput = [
  ['id', 'text'],
  ['lease', 'text'],
  ['epoch', 'int'],
  ['started', 'float8'],
] as const satisfies readonly Column[]

/** A run that ends. */
export const endInput = [
  ['id', 'text'],
  ['lease', 'text'],
  ['epoch', 'int'],
  ['status', 'text'],
  ['error', 'text'],
  ['started', 'float8'],
  ['ended', 'float8'],
] as const satisfies readonly Column[]

/** Columns of a run that leaves memory. */
export const parkInput = [
  ['id', 'text'],
  ['lease', 'text'],
  ['epoch', 'int'],
  ['seq', 'int'],
  ['wake', 'float8'],
] as const satisfies readonly Column[]

/** An event of an agent. */
export const eventInput = [
  ['run_id', 'text'],
  ['lease', 'text'],
  ['epoch', 'int'],
  ['seq', 'int'],
  ['n', 'int'],
  ['at', 'float8'],
  ['event', 'text'],
] as const satisfies readonly Column[]

/** A record of a chat step with tools. */
export const callInput = [
  ['run_id', 'text'],
  ['lease', 'text'],
  ['epoch', 'int'],
  ['seq', 'int'],
  ['n', 'int'],
  ['at', 'float8'],
  ['call', 'text'],
] as const satisfies readonly Column[]

/** A file of a run, or of its step `seq`. */
export const fileInput = [
  ['run_id', 'text'],
  ['seq', 'int'],
  ['path', 'text'],
  ['collection_id', 'bigint'],
  ['object', 'text'],
  ['name', 'text'],
  ['content_type', 'text'],
  ['size', 'bigint'],
  ['sha256', 'text'],
] as const satisfies readonly Column[]

/** A label of a new run. */
export const labelInput = [
  ['id', 'text'],
  ['key', 'text'],
  ['value', 'text'],
] as const satisfies readonly Column[]

/** SQL: the parameters from `from` on, one array a column, as rows `u`. */
export const inputRows = (from: number, columns: readonly Column[]): string =>
  `unnest(${arraysFrom(from, columns)}) u(${columns.map(([name]) => name).join(', ')})`

/** SQL: labels of new runs in their order, from the parameter `from` on, joined with the runs: see `labelNewRuns`. */
export const labelRows = (from: number): string =>
  `join unnest(${arraysFrom(from, labelInput)}) with ordinality u(id, key, value, at) using (id)`

const arraysFrom = (from: number, columns: readonly Column[]): string =>
  columns.map(([, type], at) => `$${from + at}::${type}[]`).join(', ')
