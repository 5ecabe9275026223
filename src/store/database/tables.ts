import type pg from 'pg'
import type { Queries } from './database.ts'
import { bigint, catalogName, orNull, query, queryValue, type Row } from './table.ts'

/** A table and its columns that take values, in their order. */
export interface TableShape {
  name: string
  columns: string[]
}

const here = '(select oid from pg_namespace where nspname = current_schema())'

const tablesText = `
  select c.relname::text as name, array_agg(a.attname::text order by a.attnum) as columns
  from pg_class c join pg_attribute a on a.attrelid = c.oid
  where c.relnamespace = ${here} and c.relkind = 'r' and c.relpersistence = 'p'
    and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  group by c.oid, c.relname order by c.relname`

const referencesText = `
  select child.relname::text as child, parent.relname::text as parent
  from pg_constraint f join pg_class child on child.oid = f.conrelid join pg_class parent on parent.oid = f.confrelid
  where f.contype = 'f' and child.relnamespace = ${here} and f.conrelid <> f.confrelid`

/** Lists the logged tables of the current schema but for those of extensions; a table comes after those that its foreign keys refer to. */
export const readTables = async (client: pg.ClientBase): Promise<TableShape[]> => {
  const { rows: tables } = await client.query<TableShape>(tablesText)
  const { rows: references } = await client.query<{ child: string; parent: string }>(referencesText)
  return parentsFirst(tables, references)
}

const parentsFirst = (tables: TableShape[], references: { child: string; parent: string }[]): TableShape[] => {
  const byName = new Map(tables.map((table) => [table.name, table]))
  const sorted = new Set<TableShape>()
  const visit = (table: TableShape, below: readonly string[]): void => {
    if (sorted.has(table)) return
    if (below.includes(table.name)) throw new Error(`Foreign keys form a circle: ${[...below, table.name].join(' → ')}`)
    for (const { child, parent } of references) {
      const above = child === table.name ? byName.get(parent) : undefined
      if (above) visit(above, [...below, table.name])
    }
    sorted.add(table)
  }
  for (const table of tables) visit(table, [])
  return [...sorted]
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** The next value of a sequence. */
export interface SequenceState {
  name: string
  /** As text: it may be larger than a number holds. */
  last_value: string
  is_called: boolean
}

/** Reads the sequences of the current schema, those of identity columns included. */
export const readSequences = async (client: pg.ClientBase): Promise<SequenceState[]> => {
  const { rows } = await client.query<SequenceState>(
    `select sequencename::text as name, coalesce(last_value, start_value)::text as last_value,
       last_value is not null as is_called
     from pg_sequences where schemaname = current_schema() order by sequencename`,
  )
  return rows
}

/** Sets sequences, but never back; those that this schema does not have are left out. */
export const setSequences = async (client: pg.ClientBase, sequences: readonly SequenceState[]): Promise<void> => {
  for (const { name, last_value, is_called } of sequences) {
    await client.query(
      `select setval(c.oid::regclass, greatest($2::bigint, s.last_value), $3 or s.last_value is not null)
       from pg_class c join pg_sequences s on s.schemaname = current_schema() and s.sequencename = c.relname
       where c.relkind = 'S' and c.relname = $1 and c.relnamespace = ${here}`,
      [name, last_value, is_called],
    )
  }
}

/** The columns of tables whose default is the next value of a sequence: identity columns and `nextval`. */
const numberedText = `
  select s.relname::text as sequence, t.relname::text as "table", a.attname::text as "column"
  from pg_class s
  join (select objid as sequence, refobjid as "table", refobjsubid as place from pg_depend
          where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass and deptype = 'i'
        union select d.refobjid, f.adrelid, f.adnum from pg_depend d join pg_attrdef f on f.oid = d.objid
          where d.classid = 'pg_attrdef'::regclass and d.refclassid = 'pg_class'::regclass) n on n.sequence = s.oid
  join pg_class t on t.oid = n."table" join pg_attribute a on a.attrelid = t.oid and a.attnum = n.place
  where s.relkind = 'S' and s.relnamespace = ${here}
  order by 1, 2, 3`

/** Sets every sequence to the largest value in the columns that it numbers. */
export const raiseSequences = async (client: pg.ClientBase): Promise<void> => {
  const { rows } = await client.query<{ sequence: string; table: string; column: string }>(numberedText)
  for (const { sequence, table, column } of rows) {
    const { rows: found } = await client.query<{ largest: string | null }>(
      `select max(${quote(column)})::text as largest from ${quote(table)}`,
    )
    const largest = found[0]?.largest
    if (largest) await setSequences(client, [{ name: sequence, last_value: largest, is_called: true }])
  }
}

/** A table with its columns, as COPY names them. */
export const copyTarget = ({ name, columns }: TableShape): string => `${quote(name)} (${columns.map(quote).join(', ')})`

const tableSize = {
  name: catalogName,
  /** With indexes and large values. */
  bytes: bigint,
  /** Postgres's estimate; null before the table was first analysed. */
  rows: orNull(bigint),
}

const readDatabaseBytes = queryValue(
  'database_bytes',
  { bytes: bigint },
  'select pg_database_size(current_database()) as bytes',
)
const readTableSizes = query(
  'table_sizes',
  tableSize,
  `select c.relname as name, pg_total_relation_size(c.oid) as bytes,
     case when c.reltuples < 0 then null else c.reltuples::bigint end as rows
   from pg_class c where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
   order by 2 desc, 1 limit 30`,
)

/** Sizes of the database and its largest tables. It looks at each file of the database, so ask rarely. */
export const databaseSizes = async (queries: Queries): Promise<{ bytes: number; tables: Row<typeof tableSize>[] }> => ({
  bytes: await readDatabaseBytes(queries),
  tables: await readTableSizes(queries),
})
