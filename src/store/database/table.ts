// Tables and the statements about them, each declared once. A table names its columns with their types: rows, lists of columns,
// inserts and updates follow from it. A statement names what it returns: `test/integration/server/declared-statements.test.ts` asks
// PostgreSQL to describe every one of them, so that a misspelt column fails there and not in a run.
import type { Queries } from './database.ts'

/** A column: its PostgreSQL type, and the value that a query returns for it. */
export interface Column<Value = unknown> {
  /** Name of the type in `pg_type`, such as `int8` or `_text`. */
  readonly type: string
  /** Only for the compiler. */
  readonly value?: Value
}

export type Columns = Readonly<Record<string, Column>>

/** The values of a row with these columns. */
export type Row<Of extends Columns> = { -readonly [Name in keyof Of]: ValueOf<Of[Name]> }
type ValueOf<Of> = Of extends Column<infer Value> ? Value : never

const column = <Value>(type: string): Column<Value> => ({ type })

export const bigint = column<number>('int8')
export const int = column<number>('int4')
export const smallint = column<number>('int2')
export const float = column<number>('float8')
/** Exact numbers, which arrive as text. */
export const numeric = column<string>('numeric')
export const bool = column<boolean>('bool')
export const text = column<string>('text')
/** A name in PostgreSQL's own catalog. */
export const catalogName = column<string>('name')
export const moment = column<Date>('timestamptz')
export const day = column<string>('date')
export const bytes = column<Buffer>('bytea')
/** JSON that arrives parsed. */
export const json = <Value = unknown>(type: 'json' | 'jsonb' = 'jsonb'): Column<Value> => column<Value>(type)
/** A text of these values alone. */
export const oneOf = <const Values extends readonly string[]>(_values: Values): Column<Values[number]> => column('text')
/** A text whose values a type names. */
export const textOf = <Value extends string>(): Column<Value> => column('text')
/** What a function without a result, such as `pg_notify`, returns. */
export const nothing = column<never>('void')
export const list = <Value>({ type }: Column<Value>): Column<Value[]> => column(`_${type}`)
export const orNull = <Value>({ type }: Column<Value>): Column<Value | null> => column(type)

/** A table, or what a query returns under one name. */
export interface Table<Of extends Columns> {
  readonly name: string
  readonly columns: Of
  /** SQL: its columns of the row `alias`, such as `r.id, r.name`. */
  of(alias: string): string
}

export const table = <const Of extends Columns>(name: string, columns: Of): Table<Of> => ({
  name,
  columns,
  of: (alias) => namesOf(columns, alias),
})

/** SQL: these columns, of the row `alias` if it is given, such as `r.id, r.name`. */
export const namesOf = (columns: Columns, alias?: string): string =>
  Object.keys(columns)
    .map((name) => (alias ? `${alias}.${name}` : name))
    .join(', ')

/** One page of a list. */
export interface Page {
  skip: number
  limit: number
}

/** Some columns of a table. */
export const pick = <Of extends Columns, Name extends keyof Of & string>(
  columns: Of,
  names: readonly Name[],
): Pick<Of, Name> => Object.fromEntries(names.map((name) => [name, columns[name]])) as Pick<Of, Name>

/** The columns of a row that may be missing, such as that of a left join. */
export const orMissing = <Of extends Columns>(
  columns: Of,
): { readonly [Name in keyof Of]: Column<ValueOf<Of[Name]> | null> } => columns as never

/** SQL: `insert into` for a row of these columns, whose values are the parameters from `$1` on. */
export const insertInto = <Of extends Columns>({ name }: Table<Of>, names: readonly (keyof Of & string)[]): string =>
  `insert into ${name} (${names.join(', ')}) values (${names.map((_, at) => `$${at + 1}`).join(', ')})`

/** SQL: the assignments of an update, whose values are the parameters from `$from` on. */
export const assignments = (names: readonly string[], from: number): string =>
  names.map((name, at) => `${name} = $${from + at}`).join(', ')

/** The values of a row in the order of these columns. */
export const valuesOf = <Name extends string>(
  names: readonly Name[],
  row: Readonly<Record<Name, unknown>>,
): unknown[] => names.map((name) => row[name])

/** The values of rows, a list for each column, as `unnest` takes them. */
export const listsOf = <Name extends string>(
  names: readonly Name[],
  rows: readonly Readonly<Record<Name, unknown>>[],
): unknown[][] => names.map((name) => rows.map((row) => row[name]))

/** A prepared statement with its declared result. */
export interface Statement {
  readonly name: string
  readonly text: string
  readonly row: Columns
}

/** All statements of the modules that are loaded. */
export const statements: Statement[] = []

/** Passes the arguments of a call on as the values of the statement. Their types are not checked: use it for lists of columns. */
export const asGiven = (...values: unknown[]): unknown[] => values

/**
 * Declares a prepared statement, and returns the function that runs it: `queries`, then what `values` takes. It returns the
 * rows, or what `result` makes of them.
 *
 * @example
 * const routinesOf = query('routines_of', routines.columns, `select ${routines.of('r')} from routines r where r.task_id = $1`,
 *   (taskId: number) => [taskId])
 * const rows = await routinesOf(database, task.id)
 */
export const query = <const Of extends Columns, Arguments extends unknown[] = [], Result = Row<Of>[]>(
  name: string,
  row: Of,
  text: string,
  values: (...args: Arguments) => unknown[] = () => [],
  result: (rows: Row<Of>[]) => Result = (rows) => rows as Result,
): ((queries: Pick<Queries, 'rows'>, ...args: Arguments) => Promise<Result>) => {
  statements.push({ name, text, row })
  return async (queries, ...args) => result(await queries.rows(name, text, values(...args)))
}

/** Declares a statement of which the first row counts; undefined when there is none. */
export const queryOne = <const Of extends Columns, Arguments extends unknown[] = [], Result = Row<Of> | undefined>(
  name: string,
  row: Of,
  text: string,
  values?: (...args: Arguments) => unknown[],
  result: (row: Row<Of> | undefined) => Result = (row) => row as Result,
): ((queries: Pick<Queries, 'rows'>, ...args: Arguments) => Promise<Result>) =>
  query(name, row, text, values, ([row]) => result(row))

/** Declares a statement that always returns one row, such as counts. */
export const queryRow = queryOne as <const Of extends Columns, Arguments extends unknown[] = []>(
  name: string,
  row: Of,
  text: string,
  values?: (...args: Arguments) => unknown[],
) => (queries: Pick<Queries, 'rows'>, ...args: Arguments) => Promise<Row<Of>>

/** Declares a statement that always returns one row of one column, such as a count; returns the value. */
export const queryValue = <Value, Arguments extends unknown[] = []>(
  name: string,
  row: Readonly<Record<string, Column<Value>>>,
  text: string,
  values?: (...args: Arguments) => unknown[],
): ((queries: Pick<Queries, 'rows'>, ...args: Arguments) => Promise<Value>) =>
  queryOne(name, row, text, values, (found) => Object.values(found ?? {})[0] as Value)

/** Declares a statement that changes rows; tells whether there were any. It returns a column, such as `returning true`. */
export const change = <Arguments extends unknown[] = []>(
  name: string,
  text: string,
  values?: (...args: Arguments) => unknown[],
): ((queries: Pick<Queries, 'rows'>, ...args: Arguments) => Promise<boolean>) =>
  query(name, {}, text, values, (rows) => rows.length > 0)
