import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { sanitizeFileName } from '../../lib/files/file-names.ts'
import { countRoom } from '../../lib/net/taken-room.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import {
  type CompiledStatement,
  compileStatement,
  type OpenSql,
  statementFault,
  unusedParameters,
} from '../../lib/sql/statement.ts'
import { csvRow } from '../../lib/text/csv.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import type { ActivitySettings } from '../../model/workflows/activity-settings.ts'
import type { ParameterFault, StepParameters } from '../../model/workflows/step-parameters.ts'
import { type ActivityContext, activity, type Json, type MediaObject } from '../activity.ts'

const mebibyte = 1024 * 1024

/** Parameters of `sql`. */
const sqlParameters = z.object({
  connection: z
    .string()
    .min(1)
    .max(4_096)
    .describe('Variable of the environment that has the postgres:// URL, as in "env.WAREHOUSE". Recorded as ***.')
    .meta({
      aliases: [
        ...['database', 'database_url', 'databaseUrl', 'connection_string', 'connectionString', 'dsn', 'resource'],
        'credentials',
      ],
    }),
  sql: z
    .string()
    .min(1)
    .max(100_000)
    .describe('One statement, used as it is written: no {{ path }} in it. A value is :name or $1.')
    .meta({
      aliases: ['query', 'statement', 'content', 'postgres', 'postgresql'],
      ...{ input: 'code', language: 'sql' },
    }),
  parameters: z
    .union([z.array(z.unknown()).max(1_000), z.record(z.string(), z.unknown())])
    .optional()
    .describe('Values: an object for :name, a list for $1. They never become part of the text. Names may end in _path.')
    .meta({
      aliases: [
        ...['params', 'values', 'args', 'arguments', 'bindings'],
        ...['queryReplacement', 'query_parameters', 'queryParameters'],
      ],
      input: 'json',
    }),
  read_only: z
    .boolean()
    .default(true)
    .describe('Whether the statement runs in a transaction that cannot write.')
    .meta({ aliases: ['readOnly', 'readonly'] }),
  idempotent: z
    .boolean()
    .default(false)
    .describe(
      'Whether a statement that writes may be carried out twice, as an upsert can: it is then also repeated after a crash.',
    )
    .meta({ aliases: ['repeatable'] }),
  result: z
    .enum(['auto', 'rows', 'jsonl', 'csv'])
    .default('auto')
    .describe(
      'Form of the result: rows, a file of JSON lines or CSV, or auto: rows, and above 1 MiB a file of JSON lines.',
    )
    .meta({ aliases: ['format', 'output'] }),
  filename: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('Name of the file; default: the name of the step.')
    .meta({ aliases: ['file_name'] }),
  max_rows: z
    .number()
    .int()
    .min(1)
    .default(10_000)
    .describe('Rows that are read; further ones are left out, with a warning.')
    .meta({ aliases: ['limit', 'maxRows'] }),
  max_bytes: z
    .number()
    .int()
    .min(1)
    .default(32 * mebibyte)
    .describe('Maximum size of the result; a larger one fails the step.'),
  query_timeout_sec: z
    .number()
    .positive()
    .default(60)
    .describe('Timeout of the statement, in seconds. The database ends it then.')
    .meta({ aliases: ['statement_timeout', 'queryTimeout', 'query_timeout'] }),
  ca_certificate: z
    .string()
    .max(100_000)
    .regex(/-----BEGIN CERTIFICATE-----/, 'a certificate is PEM text with BEGIN CERTIFICATE')
    .optional()
    .describe("PEM certificate of the authority that signed the server's certificate, if it is not a public one.")
    .meta({ aliases: ['ca', 'ssl_ca', 'sslrootcert', 'root_certificate_pem'], input: 'text' }),
})
type SqlParameters = z.output<typeof sqlParameters>

/** Outputs of `sql`. */
const sqlOutputs = z.object({
  rows: z.array(z.record(z.string(), z.unknown())).describe('Rows as objects; empty if the result is a file.'),
  file: mediaObjectSchema.nullable().describe('The stored file with the rows; null otherwise.'),
  count: z.number().int().describe('Number of rows read.'),
  affected_rows: z.number().int().describe('Number of rows that were inserted, updated or deleted.'),
  columns: z.array(z.object({ name: z.string(), type: z.string() })).describe('Names and types of the columns.'),
  truncated: z.boolean().describe('Whether there were more rows than max_rows.'),
})

const template = /\{\{\s*[A-Za-z_]\w*(\.\w+)+\s*\}\}/

/** What is wrong with the written statement and its written values. */
const sqlFaults = ({ literal, has }: StepParameters): ParameterFault[] => {
  const { connection, sql, read_only: readOnly, parameters } = literal
  const faults: ParameterFault[] = []
  if (typeof connection === 'string') {
    faults.push({
      parameter: 'connection',
      message: 'connection is written out; it is a secret, and belongs into the environment',
      hint: 'Set it with jetty env set, and write "connection": "env.NAME".',
    })
  }
  if (typeof sql !== 'string') return faults
  const add = (message: string) => faults.push({ parameter: 'sql', message: `sql cannot be carried out: ${message}` })
  const fault = statementFault(sql, readOnly === undefined ? !has('read_only') : readOnly === true)
  if (template.test(sql)) add('{{ path }} is not replaced in it; write :name, and "name_path" in parameters')
  else if (fault !== undefined) add(fault)
  else if (parameters !== undefined || !has('parameters')) {
    const compiled = compileStatement(sql, Array.isArray(parameters) ? parameters : namedValues(parameters, ''))
    if ('problem' in compiled) add(compiled.problem)
  }
  return faults
}

/** Named values, with the key that a statement can write to recognize a repetition. */
const namedValues = (parameters: unknown, idempotencyKey: string): Record<string, unknown> => ({
  idempotency_key: idempotencyKey,
  ...(parameters as Record<string, unknown> | undefined),
})

/** Throws for a bound above that of the server. */
const requireBounds = (
  { max_rows, max_bytes, query_timeout_sec }: SqlParameters,
  { rows, bytes, seconds }: ActivitySettings['sqlLimits'],
): void => {
  const bounds: [name: string, asked: number, most: number, variable: string][] = [
    ['max_rows', max_rows, rows, 'JETTY_SQL_ROWS'],
    ['max_bytes', max_bytes, bytes, 'JETTY_SQL_BYTES'],
    ['query_timeout_sec', query_timeout_sec, seconds, 'JETTY_SQL_SECONDS'],
  ]
  for (const [name, asked, most, variable] of bounds) {
    if (asked <= most) continue
    throw new AppError('parameter_invalid', `Parameter '${name}' is ${asked}, and this server allows ${most}`, {
      hint: `Ask for less, or raise ${variable}.`,
    })
  }
}

type ResultKind = 'auto' | 'rows' | 'jsonl' | 'csv'
type Row = Record<string, Json>

interface ReadRows {
  rows: Row[]
  file: MediaObject | null
  count: number
}

/** With `auto` a larger result becomes a file: outputs are read again by every later step. */
const inlineBytes = 1024 * 1024
/** More than that in one value would keep the server from other work while it is read. */
const mostValueBytes = 32 * 1024 * 1024

/** Memory of a row beside its text, as the database sent it and as an object. */
const rowMemory = (columns: number): number => 96 + 16 * columns

const types = { jsonl: 'application/jsonl', csv: 'text/csv' }

/** Names of columns as members of a row: a repeated name gets a number. */
const memberNames = (columns: OpenSql['columns'], warn: ActivityContext['warn']): string[] => {
  const used = new Set<string>()
  return columns.map(({ name }) => {
    let member = name
    for (let number = 2; used.has(member); number += 1) member = `${name}_${number}`
    if (member !== name) warn(`The result has two columns '${name}'; the second is the member '${member}'`)
    used.add(member)
    return member
  })
}

const tooLargeForRows = (): AppError =>
  new AppError('too_large', `The rows have more than ${byteSize(mostValueBytes)} as JSON`, {
    hint: 'Set result to jsonl or csv, or select less.',
  })

/** Batches that were read already, and those that come. */
async function* following(first: readonly unknown[][][], rest: AsyncIterator<unknown[][]>) {
  yield* first
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
}

/** Reads the rows of a statement as values, or writes them to a file as they arrive. */
const readRows = async (
  { columns, rows }: OpenSql,
  { result, filename }: { result: ResultKind; filename?: string | undefined },
  context: ActivityContext,
): Promise<ReadRows> => {
  const names = memberNames(columns, context.warn)
  const source = rows[Symbol.asyncIterator]()
  const asRow = (values: unknown[]): Row => Object.fromEntries(names.map((name, at) => [name, values[at]]))
  let count = 0

  async function* texts(batches: AsyncIterable<unknown[][]>, format: 'jsonl' | 'csv') {
    if (format === 'csv') yield csvRow(names)
    for await (const batch of batches) {
      count += batch.length
      const write = format === 'csv' ? csvRow : (values: unknown[]) => `${JSON.stringify(asRow(values))}\n`
      yield batch.map(write).join('')
    }
  }
  const save = async (format: 'jsonl' | 'csv', first: readonly unknown[][][]): Promise<ReadRows> => {
    const name = sanitizeFileName(filename ?? `${context.step.name}.${format}`)
    const body = texts(following(first, source), format)
    return { rows: [], file: await context.files.save({ name, content_type: types[format], body }), count }
  }
  if (result === 'jsonl' || result === 'csv') return save(result, [])

  const room = countRoom(context.room)
  const batches: unknown[][][] = []
  let size = 0
  for (let next = await source.next(); !next.done; next = await source.next()) {
    batches.push(next.value)
    const bytes = next.value.reduce((sum, values) => sum + JSON.stringify(asRow(values)).length, 0)
    size += bytes
    if (result === 'auto' && size > inlineBytes) {
      context.warn(`The result has more than ${byteSize(inlineBytes)}: it is kept as a file`)
      return save('jsonl', batches)
    }
    if (size > mostValueBytes) throw tooLargeForRows()
    await room(bytes + next.value.length * rowMemory(names.length))
  }
  const all = batches.flat().map(asRow)
  return { rows: all, file: null, count: all.length }
}

const invalid = (problem: string): AppError => new AppError('parameter_invalid', `Parameter 'sql': ${problem}`)

/** The statement with its values. Throws `parameter_invalid` for what may not be sent. */
const compile = ({ sql, parameters, read_only }: SqlParameters, context: ActivityContext): CompiledStatement => {
  const fault = statementFault(sql, read_only)
  if (fault !== undefined) throw invalid(fault)
  if (parameters && !Array.isArray(parameters)) {
    const unused = unusedParameters(sql, parameters)
    if (unused.length > 0) context.warn(`The statement does not use the parameters ${unused.join(', ')}`)
  }
  const values = Array.isArray(parameters) ? parameters : namedValues(parameters, context.idempotencyKey)
  const compiled = compileStatement(sql, values)
  if ('problem' in compiled) throw invalid(compiled.problem)
  return compiled.statement
}

/** Refuses to write again what a process may have written before it ended. */
const requireNotWritten = ({ read_only, idempotent }: SqlParameters, { step }: ActivityContext): void => {
  if (read_only || idempotent || !step.interrupted) return
  throw new AppError('upstream_failed', 'The process ended during a statement that writes, which may be committed', {
    hint: 'Look at the data, then rerun from this step. With idempotent: true the statement is repeated by itself.',
    retryable: false,
  })
}

/** Carries out one SQL statement. */
export const sql = activity({
  name: 'sql',
  category: 'data',
  description: 'Carries out one SQL statement at a PostgreSQL database, read-only unless it says otherwise.',
  parameters: sqlParameters,
  outputs: sqlOutputs,
  example: {
    activity: 'sql',
    connection: 'env.WAREHOUSE',
    sql: 'select id, total from orders where customer = :customer order by id limit 100',
    parameters: { customer_path: 'init_params.customer' },
  },
  nested: ['parameters'],
  literal: ['sql'],
  references: ['connection'],
  secret: ['connection'],
  effects: ({ read_only: isReading }) => (isReading === false ? 'writes' : 'reads'),
  findFaults: sqlFaults,
  alsoCalled: ['postgres', 'postgresql', 'query', 'sql_query', 'execute_query', 'execute_sql', 'database', 'pg'],
  gotchas: [
    'A list is an array, as in id = any(:ids), or JSON where a parameter has that type: insert into orders select * from json_populate_recordset(null::orders, :items).',
    'Numbers with more than 15 digits, and bigint above 2^53, are texts. Times with a zone are UTC, bytea is base64.',
    'A superuser is refused in a read-only step: functions would reach out of the transaction. Connect as a role that can only read.',
    'A statement that writes is not repeated if it may be committed, also after a crash, unless idempotent is true. :idempotency_key is the same for each attempt.',
    'Private addresses are refused unless JETTY_ALLOW_PRIVATE_NETWORK lists them, as in db.internal:5432.',
  ],
  async run(given, context) {
    requireBounds(given, context.settings.sqlLimits)
    const { text, values, origin } = compile(given, context)
    requireNotWritten(given, context)
    const open = await context.sql({
      url: given.connection,
      caCertificate: given.ca_certificate,
      ...{ text, values, origin, written: given.sql },
      readOnly: given.read_only,
      mayRepeat: given.read_only || given.idempotent,
      timeoutSeconds: given.query_timeout_sec,
      maxRows: given.max_rows,
      maxBytes: given.max_bytes,
      beforeCommit: context.recordStart,
    })
    try {
      const read = await readRows(open, given, context)
      const { affected, hasMore } = await open.finish()
      if (hasMore) context.warn(`The result has more than ${given.max_rows} rows; the others were not read`)
      return { ...read, affected_rows: affected, columns: open.columns, truncated: hasMore }
    } finally {
      await open.close()
    }
  },
})
