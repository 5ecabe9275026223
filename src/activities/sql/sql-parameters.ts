import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { compileStatement, statementFault } from '../../lib/sql/statement.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import type { ActivitySettings } from '../../model/workflows/activity-settings.ts'
import type { ParameterFault, StepParameters } from '../../model/workflows/step-parameters.ts'

const mebibyte = 1024 * 1024

/** Parameters of `sql`. */
export const sqlParameters = z.object({
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
export type SqlParameters = z.output<typeof sqlParameters>

/** Outputs of `sql`. */
export const sqlOutputs = z.object({
  rows: z.array(z.record(z.string(), z.unknown())).describe('Rows as objects; empty if the result is a file.'),
  file: mediaObjectSchema.nullable().describe('The stored file with the rows; null otherwise.'),
  count: z.number().int().describe('Number of rows read.'),
  affected_rows: z.number().int().describe('Number of rows that were inserted, updated or deleted.'),
  columns: z.array(z.object({ name: z.string(), type: z.string() })).describe('Names and types of the columns.'),
  truncated: z.boolean().describe('Whether there were more rows than max_rows.'),
})

const template = /\{\{\s*[A-Za-z_]\w*(\.\w+)+\s*\}\}/

/** What is wrong with the written statement and its written values. */
export const sqlFaults = ({ literal, has }: StepParameters): ParameterFault[] => {
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
export const namedValues = (parameters: unknown, idempotencyKey: string): Record<string, unknown> => ({
  idempotency_key: idempotencyKey,
  ...(parameters as Record<string, unknown> | undefined),
})

/** Throws for a bound above that of the server. */
export const requireBounds = (
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
