import type { Command } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { exitCodes } from '../exit.ts'
import { readPassphrase } from '../input/passphrase.ts'
import { type Session, withSession } from '../session.ts'
import { backupProgress, checkedText, heldText, restoredText } from '../show/backup-text.ts'

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
