import { byteSize } from '../../lib/settings/byte-size.ts'
import type { BackedUp } from '../../server/local/back-up-server.ts'
import type { HeldServer } from '../../server/local/release-restored.ts'
import type { CheckedBackup, RestoredServer } from '../../server/local/restore-server.ts'
import { moment, quantity, safe } from './output.ts'

const everyMs = 5_000

interface Progress {
  table: string | undefined
  rows: number
  objects: number
  bytes: number
}

/** Makes a function that notes how far a backup or a restore has come, every few seconds. */
export const backupProgress = (note: (text: string) => void): ((progress: Progress) => void) => {
  let saidMs = performance.now()
  return ({ table, rows, objects, bytes }) => {
    if (performance.now() - saidMs < everyMs) return
    saidMs = performance.now()
    if (table !== undefined) note(`${quantity(rows, 'row')}, now the table ${table}`)
    else note(`${quantity(rows, 'row')}, ${quantity(objects, 'file')} (${byteSize(bytes)})`)
  }
}

const faults = ({ lost, damaged }: Pick<CheckedBackup, 'lost' | 'damaged'>): string[] => [
  ...lost.map((id) => `lost: object ${id} was not in the storage`),
  ...damaged.map((id) => `damaged: object ${id} has other bytes than when it was stored`),
]

type Described = Pick<CheckedBackup, 'rows' | 'objects' | 'object_bytes' | 'has_files'>

const contents = ({ rows, objects, object_bytes, has_files }: Described): string =>
  `${quantity(rows, 'row')} and ${has_files ? `${quantity(objects, 'file')} (${byteSize(object_bytes)})` : 'no files'}`

const left = ({ objects_deleted: count }: Pick<CheckedBackup, 'objects_deleted'>): string[] =>
  count === 0 ? [] : [`left out: ${quantity(count, 'file')} deleted while the backup began`]

export const backedUpText = (made: BackedUp): string =>
  [
    `${safe(made.to)}: ${contents(made)} as of ${moment(made.taken_at)}, ${byteSize(made.bytes)}${made.is_encrypted ? ', encrypted' : ''}`,
    ...(made.objects_copied < made.objects
      ? [`${quantity(made.objects_copied, 'file')} copied, the others were there`]
      : []),
    ...(made.removed_backups > 0
      ? [
          `Removed: ${quantity(made.removed_backups, 'older backup')}, ${quantity(made.removed_objects, 'file')} of no other one`,
        ]
      : []),
    ...faults(made),
    made.has_secret_key
      ? 'It contains the encryption key of the server.'
      : 'It does not contain the encryption key (secret-key or JETTY_SECRET_KEY): keep that in another place.',
  ].join('\n')

export const checkedText = (found: CheckedBackup): string =>
  [
    `The backup is whole: ${contents(found)} as of ${moment(found.taken_at)}, written by version ${safe(found.version)}`,
    ...left(found),
    ...faults(found),
    found.has_secret_key
      ? 'It contains the encryption key.'
      : `It does not contain the encryption key: a restore needs the key ${found.secret_key_id ?? ''}`.trimEnd(),
  ].join('\n')

export const restoredText = (made: RestoredServer): string =>
  [
    `Restored ${contents(made)} as of ${moment(made.taken_at)}; the files are in ${safe(made.storage)}`,
    ...left(made),
    ...faults(made),
    ...made.unreadable.map((id) => `lost: the folder of the backup does not have object ${id} whole`),
    ...made.foreign_tables.map((table) => `left out: the table ${safe(table)} is not one of Jetty`),
    'Start the server and look at it: runs, routines, webhooks and retention of the backup wait.',
    'To let them go on: jetty restore --go',
  ].join('\n')

export const heldText = (held: HeldServer): string => {
  const { runs, routines, webhooks, bulk_actions: bulk } = held
  const what = [
    quantity(runs, 'open run'),
    quantity(routines, 'routine'),
    quantity(webhooks, 'webhook'),
    quantity(bulk, 'bulk action'),
  ].join(', ')
  return held.released ? `Going on: ${what}` : `Held since the restore: ${what}`
}
