import { byteCount, seconds, setting, wholeNumber } from './setting.ts'

/** Settings of scheduled work: routines, webhook retries and housekeeping. */
export const timedSettings = {
  routineGraceSeconds: setting({
    variable: 'JETTY_ROUTINE_GRACE_SECONDS',
    description:
      'A fire of a routine that is at least this late counts as missed; `catch_up` of the routine decides what ' +
      'happens to it.',
    default: '60',
    example: '300',
    schema: wholeNumber(1, 86_400),
  }),
  routineCatchUp: setting({
    variable: 'JETTY_ROUTINE_CATCH_UP',
    description: 'Missed fires of a routine that are made up for, and fires that may wait for the end of its run.',
    default: '100',
    example: '1000',
    schema: wholeNumber(1, 10_000),
  }),
  webhookConcurrency: setting({
    variable: 'JETTY_WEBHOOK_CONCURRENCY',
    description: 'Webhooks that this process delivers at once; one collection gets at most a quarter.',
    default: '32',
    example: '128',
    schema: wholeNumber(1, 10_000),
  }),
  webhookBytes: setting({
    variable: 'JETTY_WEBHOOK_BYTES',
    description: 'Largest trajectory that a webhook delivers: inputs and outputs of its steps, as JSON.',
    default: '128MiB',
    example: '16MiB',
    schema: byteCount(),
  }),
  webhookTimeoutSeconds: setting({
    variable: 'JETTY_WEBHOOK_TIMEOUT_SECONDS',
    description: 'Timeout for the receiver of a webhook.',
    default: '10',
    example: '30',
    schema: seconds(0.001),
  }),
  sessionDays: setting({
    variable: 'JETTY_SESSION_DAYS',
    description: 'Days after which a browser has to sign in again.',
    default: '14',
    example: '1',
    schema: wholeNumber(1, 365),
  }),
  sessionKeyDays: setting({
    variable: 'JETTY_SESSION_KEY_DAYS',
    description: 'Days for which an API key is valid at most that a browser session makes or changes.',
    default: '90',
    example: '7',
    schema: wholeNumber(1, 3650),
  }),
  auditDays: setting({
    variable: 'JETTY_AUDIT_DAYS',
    description: 'Days that entries of the audit trail are kept. 0: for ever.',
    default: '0',
    example: '365',
    schema: wholeNumber(0, 36_500),
  }),
  orphanDays: setting({
    variable: 'JETTY_ORPHAN_DAYS',
    description: 'Days that bytes without a file, and workflows without a task or run, are kept. 0: for ever.',
    default: '7',
    example: '30',
    schema: wholeNumber(0, 36_500),
  }),
}
