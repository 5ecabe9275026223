import { byteCount, seconds, setting, wholeNumber } from './setting.ts'

/** Settings of workers: programs on other machines that carry out activities. */
export const workerSettings = {
  workerLeaseSeconds: setting({
    variable: 'JETTY_WORKER_LEASE_SECONDS',
    description: 'A job of a worker without a heartbeat for this long goes to another worker.',
    default: '30',
    example: '120',
    schema: seconds(1),
  }),
  workerLosses: setting({
    variable: 'JETTY_WORKER_LOSSES',
    description: 'A job fails when this many workers were lost while they carried it out.',
    default: '10',
    example: '3',
    schema: wholeNumber(1, 1_000),
  }),
  workerQueue: setting({
    variable: 'JETTY_WORKER_QUEUE',
    description: 'Jobs of one collection that may wait for workers; a step that would queue another one fails.',
    default: '10000',
    example: '1000',
    schema: wholeNumber(1, 1_000_000),
  }),
  workerParametersBytes: setting({
    variable: 'JETTY_WORKER_PARAMETERS_BYTES',
    description: 'Maximum size of the parameters of a job for a worker, as JSON.',
    default: '4MiB',
    example: '1MiB',
    schema: byteCount(),
  }),
  maxWorkers: setting({
    variable: 'JETTY_MAX_WORKERS',
    description: 'Workers that one key may have registered.',
    default: '5000',
    example: '100',
    schema: wholeNumber(1, 1_000_000),
  }),
}
