import { seconds, setting } from './setting.ts'

/** Settings for whoever operates the server: connections, clocks, and what is worth a warning. */
export const operationSettings = {
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
