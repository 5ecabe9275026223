import { seconds, setting, wholeNumber } from './setting.ts'

/** Settings for operators: connections, clocks and warnings. */
export const operationSettings = {
  databaseConnections: setting({
    variable: 'JETTY_DATABASE_CONNECTIONS',
    description:
      'Connections to PostgreSQL that this process may have at once, all together. They are shared out to requests, to the ' +
      'work on runs, and to authentication and cancels, so that none of these can take those of the others.',
    default: '26',
    example: '40',
    schema: wholeNumber(11, 1_000),
  }),
  slowStatementMs: setting({
    variable: 'JETTY_SLOW_STATEMENT_MS',
    description:
      'Statements of the database that take longer are in the log as warnings, without their values; the wait for a ' +
      'connection counts. 0: none.',
    default: '1000',
    example: '200',
    schema: wholeNumber(0, 3_600_000),
  }),
  maxConnections: setting({
    variable: 'JETTY_MAX_CONNECTIONS',
    description:
      'Connections of clients that may be open at once; more are closed at once. Default: half of the descriptors that ' +
      'the process may have, without 128, and at most 16,384.',
    example: '1000',
    schema: wholeNumber(16, 1_000_000),
  }),
  clockSkewSeconds: setting({
    variable: 'JETTY_CLOCK_SKEW_SECONDS',
    description:
      'How far the clock of this machine may be off that of the database. Beyond it the process says so in its log, in ' +
      '`/ready` and in its metrics, and fires no routines.',
    default: '5',
    example: '30',
    schema: seconds(0.001),
  }),
}
