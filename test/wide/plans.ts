import pg from 'pg'
import type { Queries } from '../../src/store/database/database.ts'

/** A node of a plan as `explain (format json)` shows it. */
export interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  'Shared Hit Blocks': number
  'Shared Read Blocks': number
  Plans?: PlanNode[]
}

/** A statement with its plan; a prepared one has a name and comes twice, with a plan for its values and one for any. */
export interface PlannedStatement {
  name: string
  /** All nodes of the plan, the topmost first. */
  nodes: PlanNode[]
  ms: number
}

const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)]

const literalOf = (value: unknown): string => {
  if (value === null) return 'null'
  const text = Array.isArray(value) ? `{${value.map((one) => JSON.stringify(String(one))).join(',')}}` : String(value)
  return pg.escapeLiteral(text)
}

const explain = 'explain (analyze, buffers, timing off, format json)'

/**
 * Carries out statements on a connection, and keeps their plans. Postgres takes either plan of a prepared statement once
 * it has been executed five times.
 */
export const planning = (client: pg.Client): { queries: Queries; statements: PlannedStatement[] } => {
  const statements: PlannedStatement[] = []
  let last: Promise<unknown> = Promise.resolve()
  /** Lets a statement wait for those asked for before it, since each is several on one connection. */
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const result = last.then(work)
    last = result.catch(() => {})
    return result
  }
  const keep = async (name: string, text: string, values?: unknown[]): Promise<void> => {
    const { rows } = await client.query(text, values)
    const [{ Plan, 'Execution Time': ms }] = rows[0]['QUERY PLAN']
    statements.push({ name, nodes: nodesOf(Plan), ms })
  }
  const query = async <Row>(text: string, values?: unknown[]): Promise<Row[]> => {
    await keep('', `${explain} ${text}`, values)
    return (await client.query(text, values)).rows as Row[]
  }
  const rows = async <Row>(name: string, text: string, values: unknown[] = []): Promise<Row[]> => {
    await keep(name, `${explain} ${text}`, values)
    await client.query(`prepare planned as ${text}; set plan_cache_mode = force_generic_plan`)
    await keep(`${name} for any values`, `${explain} execute planned${argumentsOf(values)}`)
    await client.query('deallocate planned; reset plan_cache_mode')
    return (await client.query(text, values)).rows as Row[]
  }
  const queries: Queries = {
    query: (text, values) => inTurn(() => query(text, values)),
    rows: (name, text, values) => inTurn(() => rows(name, text, values)),
  }
  return { queries, statements }
}

const argumentsOf = (values: readonly unknown[]): string =>
  values.length === 0 ? '' : `(${values.map(literalOf).join(', ')})`

/** Counts the rows that a scan has read. */
export const rowsReadBy = (node: PlanNode): number =>
  (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) *
  node['Actual Loops']

/** Lists the tables of which statements have read so many rows, or more, without an index; 0: also what a plan left out. */
export const tablesReadWhole = (
  statements: readonly PlannedStatement[],
  tables: readonly string[],
  leastRows = 0,
): string[] =>
  statements.flatMap(({ name, nodes }) =>
    nodes
      .filter((node) => node['Node Type'] === 'Seq Scan' && tables.includes(node['Relation Name'] ?? ''))
      .filter((node) => rowsReadBy(node) >= leastRows)
      .map((node) => `${node['Relation Name']} by ${name || 'a list'}`),
  )
