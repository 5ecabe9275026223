import { seconds, setting, wholeNumber } from './setting.ts'

/** Settings for operators: connections, clocks and warnings. */
export const operationSettings = {
  databaseConnections: setting({
    variable: 'JETTY_DATABASE_CONNECTIONS',
    description:
      'Connections of this process to PostgreSQL. They are split into pools for requests, for runs, and for ' +
      'authentication and cancels, so that none can exhaust another.',
    default: '22',
    example: '40',
    schema: wholeNumber(11, 1_000),
  }),
  slowStatementMs: setting({
    variable: 'JETTY_SLOW_STATEMENT_MS',
    description:
      'Statements that take longer are logged as warnings, without their values; waiting for a connection counts. 0: ' +
      'none.',
    default: '1000',
    example: '200',
    schema: wholeNumber(0, 3_600_000),
  }),
  loopBlockedMs: setting({
    variable: 'JETTY_LOOP_BLOCKED_MS',
    description:
      "When one piece of work keeps the server's thread busy for longer, so that all others wait, it is logged as a " +
      'warning that names the work, and counted in the metrics.',
    default: '200',
    example: '100',
    schema: wholeNumber(10, 3_600_000),
  }),
  maxConnections: setting({
    variable: 'JETTY_MAX_CONNECTIONS',
    description:
      'Open client connections; further ones are closed at once. Default: half of the file descriptors of the ' +
      'process, less 128, and at most 16,384.',
    example: '1000',
    schema: wholeNumber(16, 1_000_000),
  }),
  clockSkewSeconds: setting({
    variable: 'JETTY_CLOCK_SKEW_SECONDS',
    description:
      "Allowed difference between this machine's clock and the database's. Beyond it the process reports it in its " +
      'log, `/ready` and metrics, and fires no routines.',
    default: '5',
    example: '30',
    schema: seconds(0.001),
  }),
}
