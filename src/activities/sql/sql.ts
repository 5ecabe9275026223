import { AppError } from '../../lib/errors.ts'
import { type CompiledStatement, compileStatement, statementFault, unusedParameters } from '../../lib/sql/statement.ts'
import { type ActivityContext, activity } from '../activity.ts'
import {
  namedValues,
  requireBounds,
  type SqlParameters,
  sqlFaults,
  sqlOutputs,
  sqlParameters,
} from './sql-parameters.ts'
import { readRows } from './sql-result.ts'

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
