import type { Command } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { exitCodes } from '../exit.ts'
import { positive } from '../input/inputs.ts'
import { readPassphrase } from '../input/passphrase.ts'
import { type Session, withSession } from '../session.ts'
import { backedUpText, backupProgress, checkedText, heldText, restoredText } from '../show/backup-text.ts'

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
