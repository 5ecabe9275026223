import { byteCount, seconds, setting, wholeNumber } from './setting.ts'

/** Settings of scheduled work: routines, webhook retries and housekeeping. */
export const timedSettings = {
  routineGraceSeconds: setting({
    variable: 'JETTY_ROUTINE_GRACE_SECONDS',
    description: 'A fire of a routine that is so late was missed; `catch_up` of the routine says what becomes of it.',
    default: '60',
    example: '300',
    schema: wholeNumber(1, 86_400),
  }),
  routineCatchUp: setting({
    variable: 'JETTY_ROUTINE_CATCH_UP',
    description: 'Most missed fires of a routine that are made up for, and most that wait for the end of its run.',
    default: '100',
    example: '1000',
    schema: wholeNumber(1, 10_000),
  }),
  webhookConcurrency: setting({
    variable: 'JETTY_WEBHOOK_CONCURRENCY',
    description: 'Webhooks that are delivered at once in this process; a quarter of them to those of one collection.',
    default: '32',
    example: '128',
    schema: wholeNumber(1, 10_000),
  }),
  webhookBytes: setting({
    variable: 'JETTY_WEBHOOK_BYTES',
    description: 'Largest trajectory that a webhook is sent: what its steps were given and put out, as JSON.',
    default: '128MiB',
    example: '16MiB',
    schema: byteCount(),
  }),
  webhookTimeoutSeconds: setting({
    variable: 'JETTY_WEBHOOK_TIMEOUT_SECONDS',
    description: 'How long the receiver of a webhook may take to answer.',
    default: '10',
    example: '30',
    schema: seconds(0.001),
  }),
  auditDays: setting({
    variable: 'JETTY_AUDIT_DAYS',
    description: 'How many days entries of the audit trail are kept. 0: for ever.',
    default: '0',
    example: '365',
    schema: wholeNumber(0, 36_500),
  }),
  orphanDays: setting({
    variable: 'JETTY_ORPHAN_DAYS',
    description:
      'How many days bytes in the data folder that belong to no file any more, and texts of workflows that no task and no ' +
      'run has, are still kept. 0: for ever.',
    default: '7',
    example: '30',
    schema: wholeNumber(0, 36_500),
  }),
}
