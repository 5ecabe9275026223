import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { BackedUp } from '../../server/local/back-up-server.ts'
import type { HeldServer } from '../../server/local/release-restored.ts'
import type { CheckedBackup, RestoredServer } from '../../server/local/restore-server.ts'
import { exitCodes } from '../exit.ts'
import { fileReason } from '../input/file-problems.ts'
import { positive } from '../input/inputs.ts'
import { type Session, withSession } from '../session.ts'
import { moment, quantity, safe } from '../show/output.ts'

const everyMs = 5_000

interface Progress {
  table: string | undefined
  rows: number
  objects: number
  bytes: number
}

/** Makes a function that notes how far a backup or a restore has come, every few seconds. */
const backupProgress = (note: (text: string) => void): ((progress: Progress) => void) => {
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

const backedUpText = (made: BackedUp): string =>
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

const checkedText = (found: CheckedBackup): string =>
  [
    `The backup is whole: ${contents(found)} as of ${moment(found.taken_at)}, written by version ${safe(found.version)}`,
    ...left(found),
    ...faults(found),
    found.has_secret_key
      ? 'It contains the encryption key.'
      : `It does not contain the encryption key: a restore needs the key ${found.secret_key_id ?? ''}`.trimEnd(),
  ].join('\n')

const restoredText = (made: RestoredServer): string =>
  [
    `Restored ${contents(made)} as of ${moment(made.taken_at)}; the files are in ${safe(made.storage)}`,
    ...left(made),
    ...faults(made),
    ...made.unreadable.map((id) => `lost: the folder of the backup does not have object ${id} whole`),
    ...made.foreign_tables.map((table) => `left out: the table ${safe(table)} is not one of Jetty`),
    'Start the server and look at it: runs, routines, webhooks and retention of the backup wait.',
    'To let them go on: jetty restore --go',
  ].join('\n')

const heldText = (held: HeldServer): string => {
  const { runs, routines, webhooks, bulk_actions: bulk } = held
  const what = [
    quantity(runs, 'open run'),
    quantity(routines, 'routine'),
    quantity(webhooks, 'webhook'),
    quantity(bulk, 'bulk action'),
  ].join(', ')
  return held.released ? `Going on: ${what}` : `Held since the restore: ${what}`
}

const shortest = 8

/** Reads the passphrase of a backup from the file of an option, or takes that of the setting. */
const readPassphrase = (file: string | undefined, setting: string | undefined): string | undefined => {
  if (file === undefined) return setting
  let text: string
  try {
    text = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new AppError('invalid', `--passphrase-file ${file} cannot be read: ${fileReason(error)}`, { cause: error })
  }
  if (text.length >= shortest) return text
  throw new AppError('invalid', `The passphrase in ${file} must have at least ${shortest} characters`, {
    hint: 'Make one with: openssl rand -base64 24',
  })
}

interface BackupOptions {
  keep?: number
  passphraseFile?: string
  withSecretKey?: boolean
  files: boolean
}

/** `jetty backup`. */
export const registerBackup = (program: Command): void => {
  program
    .command('backup')
    .description('Back up the server of this machine to a file or a folder, while it runs')
    .argument('<to>', 'file to write; a folder, if it exists or ends with a slash; - for standard output')
    .option('--keep <n>', 'remove all but the newest backups of the folder', positive)
    .option('--passphrase-file <file>', 'encrypt with the passphrase in this file (default: JETTY_BACKUP_PASSPHRASE)')
    .option('--with-secret-key', 'put the encryption key of the server in too; needs a passphrase')
    .option('--no-files', 'leave the bytes of files out, where the storage has a backup of its own')
    .addHelpText(
      'after',
      `
Run it where the server runs, with its settings. The backup has the state of one moment: the tables of one snapshot of
the database, and the files that it names. Files that are deleted meanwhile stay in the storage until the backup is
complete. The file appears when it is whole.

A folder may have many backups, which share the bytes of files: each copies only new ones.

Examples:
  jetty backup /backups/jetty-$(date +%F).backup
  jetty backup --passphrase-file ~/passphrase --with-secret-key /backups/jetty.backup
  jetty backup --keep 14 /backups/jetty/
  jetty backup - | ssh backup-host 'cat > jetty.backup'
  jetty restore --dry-run /backups/jetty.backup      check it`,
    )
    .action(withSession<BackupOptions, [string]>(backUp))
}

const backUp = async ({ out, signal }: Session, [to]: [string], options: BackupOptions): Promise<void> => {
  const [{ loadSettings }, { backUpServer }] = await Promise.all([
    import('../../lib/settings/config.ts'),
    import('../../server/local/back-up-server.ts'),
  ])
  const settings = loadSettings(process.env)
  const made = await backUpServer({
    settings,
    variables: process.env,
    to,
    keep: options.keep,
    passphrase: readPassphrase(options.passphraseFile, settings.backupPassphrase),
    withSecretKey: options.withSecretKey ?? false,
    withFiles: options.files,
    onProgress: backupProgress(out.note),
    signal,
  })
  if (made.lost.length + made.damaged.length > 0) process.exitCode = exitCodes.failed
  if (to === '-') return out.note(backedUpText(made))
  out.answer(made, () => backedUpText(made))
}

interface RestoreCommandOptions {
  passphraseFile?: string
  dryRun?: boolean
  go?: boolean
}

/** `jetty restore`. */
export const registerRestore = (program: Command): void => {
  program
    .command('restore')
    .description('Restore a backup into an empty server, or check one')
    .argument('[file]', 'file that `jetty backup` has written, or a folder: its newest one; - for standard input')
    .option('--passphrase-file <file>', 'file with the passphrase of the backup (default: JETTY_BACKUP_PASSPHRASE)')
    .option('--dry-run', 'read and verify the whole backup, and change nothing; with --go: say what is held')
    .option('--go', 'let the runs, routines, webhooks and retention of a restored server go on')
    .addHelpText(
      'after',
      `
Run it where the server will run, with its settings, before the server is started: JETTY_DATA_DIR is a new folder, or
DATABASE_URL an empty database. An interrupted restore continues when you run it again.

The restored server answers requests and executes new runs. What the backup had to do is held, because the former server
may have done it already: open runs, routines, webhooks, bulk actions, and the removal of old runs. Look at the server,
then run --go.

Examples:
  jetty restore --dry-run /backups/jetty.backup
  JETTY_DATA_DIR=~/.jetty-restored jetty restore /backups/jetty.backup
  JETTY_DATA_DIR=~/.jetty-restored jetty serve
  JETTY_DATA_DIR=~/.jetty-restored jetty restore --go`,
    )
    .action(withSession<RestoreCommandOptions, [string | undefined]>(restore))
}

const load = () =>
  Promise.all([
    import('../../lib/settings/config.ts'),
    import('../../server/local/restore-server.ts'),
    import('../../server/local/release-restored.ts'),
  ])

const restore = async (
  { out }: Session,
  [from]: [string | undefined],
  options: RestoreCommandOptions,
): Promise<void> => {
  const [{ loadSettings }, { checkBackupFile, restoreServer }, { releaseRestored }] = await load()
  const settings = loadSettings(process.env)
  const isDryRun = options.dryRun ?? false
  if (options.go) {
    if (from !== undefined) throw goWithFile()
    const held = await releaseRestored(settings, isDryRun)
    return out.answer(held, () => heldText(held))
  }
  if (from === undefined) throw fileMissing()
  const given = {
    settings,
    variables: process.env,
    from,
    passphrase: readPassphrase(options.passphraseFile, settings.backupPassphrase),
    onProgress: backupProgress(out.note),
  }
  if (isDryRun) {
    const found = await checkBackupFile(given)
    return out.answer(found, () => checkedText(found))
  }
  const made = await restoreServer(given)
  if (made.unreadable.length > 0) process.exitCode = exitCodes.failed
  out.answer(made, () => restoredText(made))
}

const goWithFile = (): AppError =>
  new AppError('invalid', '--go takes no file', { hint: 'Restore the file first, then run: jetty restore --go' })

const fileMissing = (): AppError =>
  new AppError('invalid', 'The file of the backup is missing', {
    hint: 'Name it: jetty restore /backups/jetty.backup. To let a restored server go on: jetty restore --go',
  })
