import { byteCount, reading, seconds, setting, text, trueOrFalse, wholeNumber } from './setting.ts'
import { parseStorageLocation } from './storage-location.ts'

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

const storageLocation = () =>
  reading(
    'be disk, or s3://bucket/prefix with the options ?endpoint=https://host&region=name&path_style=true and no password',
    parseStorageLocation,
  )

/** Settings of the storage for the bytes of files. */
export const storageSettings = {
  storage: setting({
    variable: 'JETTY_STORAGE',
    description:
      'Where the bytes of files are stored: disk, the folder files/ in the data folder; or s3://bucket/prefix, with ' +
      '?endpoint=, &region= and &path_style= for a storage other than AWS.',
    default: 'disk',
    example: 's3://acme-jetty/files?endpoint=https://minio.example.com&region=eu-west-1',
    schema: storageLocation(),
  }),
  storageFrom: setting({
    variable: 'JETTY_STORAGE_FROM',
    description:
      'Storage that files are still read from while `jetty storage copy` moves them to JETTY_STORAGE: disk, or ' +
      's3://bucket/prefix. Both buckets use the same credentials.',
    example: 'disk',
    schema: storageLocation(),
  }),
  storageAccessKeyId: setting({
    variable: 'JETTY_STORAGE_ACCESS_KEY_ID',
    description:
      'Access key of the bucket. Without it the server uses the credentials of the machine, as the AWS CLI does: ' +
      'AWS_ACCESS_KEY_ID, a profile, a web identity, the container or the instance.',
    example: 'AKIAIOSFODNN7EXAMPLE',
    schema: text('be an access key without spaces', /^[\x21-\x7e]+$/),
  }),
  storageSecretAccessKey: setting({
    variable: 'JETTY_STORAGE_SECRET_ACCESS_KEY',
    description: 'Secret of JETTY_STORAGE_ACCESS_KEY_ID.',
    example: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    secret: true,
    schema: text('be a secret without spaces', /^[\x21-\x7e]+$/),
  }),
  storageLinks: setting({
    variable: 'JETTY_STORAGE_LINKS',
    description:
      'Whether downloads of files of 8 MiB and more are redirected to the bucket, by a link that is good for an hour, and ' +
      'data files of datasets have such a link. ' +
      'Clients must reach the endpoint of JETTY_STORAGE.',
    default: 'false',
    example: 'true',
    schema: trueOrFalse(),
  }),
  backupPassphrase: setting({
    variable: 'JETTY_BACKUP_PASSPHRASE',
    description: 'Passphrase of `jetty backup` and `jetty restore`. With it, backups are encrypted.',
    example: 'correct horse battery staple',
    secret: true,
    schema: text('have at least 8 characters', /^.{8,}$/s),
  }),
  previewSeconds: setting({
    variable: 'JETTY_PREVIEW_SECONDS',
    description:
      'Longest time to show the first rows of a data file, to import a parquet file, or to validate a Croissant file.',
    default: '10',
    example: '30',
    schema: seconds(1),
  }),
  previewMemoryBytes: setting({
    variable: 'JETTY_PREVIEW_MEMORY_BYTES',
    description: 'Memory of the process that reads data files and Croissant files; it is ended above that.',
    default: '512MiB',
    example: '1GiB',
    schema: byteCount(),
  }),
}

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
