import type { Command } from 'commander'
import { exitCodes } from '../exit.ts'
import { positive } from '../input/inputs.ts'
import { readPassphrase } from '../input/passphrase.ts'
import { type Session, withSession } from '../session.ts'
import { backedUpText, backupProgress } from '../show/backup-text.ts'

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
