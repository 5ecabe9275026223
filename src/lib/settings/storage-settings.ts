import { byteCount, reading, seconds, setting, text, trueOrFalse } from './setting.ts'
import { parseStorageLocation } from './storage-location.ts'

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
