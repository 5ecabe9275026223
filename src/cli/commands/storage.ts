import type { Command } from 'commander'
import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { CopiedStorage, CopyProgress } from '../../server/local/storage.ts'
import { exitCodes } from '../exit.ts'
import { type Session, withSession } from '../session.ts'
import { safe } from '../show/output.ts'

const everyMs = 5_000

/** Makes a function that reports the progress of a copy every few seconds. */
const copyProgress = (note: (text: string) => void): ((counts: CopyProgress) => void) => {
  let saidMs = performance.now()
  return ({ objects, copied, bytes }) => {
    if (performance.now() - saidMs < everyMs) return
    saidMs = performance.now()
    note(`${objects} files, ${copied} of them copied (${byteSize(bytes)})`)
  }
}

const restart = `New files still go to the old storage. Restart all processes with JETTY_STORAGE set to the new one and
JETTY_STORAGE_FROM to the old one, then run this command again.`

/** Describes the result of a copy, and the next step. */
const copiedText = (copied: CopiedStorage): string => {
  const { objects, present, bytes, missing, damaged, is_complete } = copied
  const lines = [
    `${safe(copied.from)} → ${safe(copied.to)}: ${objects} files, ${copied.copied} copied (${byteSize(bytes)}), ${present} were there`,
    ...missing.map((id) => `lost: object ${id} is in neither storage`),
    ...damaged.map((id) => `damaged: object ${id} has other bytes than when it was stored; it was not copied`),
  ]
  if (is_complete)
    lines.push('All files are copied. Remove JETTY_STORAGE_FROM and restart; the old storage is unchanged.')
  else if (missing.length + damaged.length === 0) lines.push(restart)
  return lines.join('\n')
}

/** `jetty storage …`. */
export const registerStorage = (program: Command): void => {
  const storage = program.command('storage').description('Manage the files of the server on this machine')
  storage
    .command('adopt')
    .description('Declare that only this database uses the files in the data folder')
    .addHelpText(
      'after',
      `
Run it where the server runs, with its JETTY_DATA_DIR and DATABASE_URL; the server may run meanwhile.

After a restore, a failover or a copy of the database the server removes no bytes of files, because the database that it
was copied from may still need them. It also refuses to start with another folder of files than before. When no other
database uses these files any more, this command says so, and the server goes on as usual within a minute.

Examples:
  jetty storage adopt
  DATABASE_URL=postgres://jetty:password@db/jetty JETTY_DATA_DIR=/var/lib/jetty jetty storage adopt`,
    )
    .action(withSession<object, []>(adopt))
  storage
    .command('copy')
    .description('Copy the files of the server from one storage to another, while it runs')
    .option('--from <location>', 'where they are: disk or s3://bucket/prefix (default: JETTY_STORAGE_FROM)')
    .option('--to <location>', 'where they go: disk or s3://bucket/prefix (default: JETTY_STORAGE)')
    .addHelpText(
      'after',
      `
Run it where the server runs, with its settings. It copies what the database lists and the target lacks, verifies size
and hash, and remembers how far it has come: run it again to go on. Files that are deleted meanwhile are left out. It
removes nothing from the source.

Examples:
  JETTY_STORAGE=s3://acme-jetty/files JETTY_STORAGE_FROM=disk jetty storage copy
  jetty storage copy --from disk --to 's3://acme-jetty/files?endpoint=https://minio.example.com'`,
    )
    .action(withSession<CopyOptions, []>(copy))
}

const adopt = async ({ out }: Session): Promise<void> => {
  const [{ loadSettings }, { adoptStorage }] = await Promise.all([
    import('../../lib/settings/config.ts'),
    import('../../server/local/storage.ts'),
  ])
  const adopted = await adoptStorage(loadSettings(process.env))
  const given = adopted.others.length > 0 ? `, and no more to ${adopted.others.map(safe).join(', ')}` : ''
  out.answer(adopted, () => `${safe(adopted.folder)} belongs to this database${given}`)
}

interface CopyOptions {
  from?: string
  to?: string
}

const copy = async ({ out }: Session, _args: [], { from, to }: CopyOptions): Promise<void> => {
  const [{ loadSettings }, { parseStorageLocation }, { copyStorage }] = await Promise.all([
    import('../../lib/settings/config.ts'),
    import('../../lib/settings/storage-location.ts'),
    import('../../server/local/storage.ts'),
  ])
  const settings = loadSettings(process.env)
  const located = (option: string, text: string) => {
    const location = parseStorageLocation(text)
    if (location) return location
    throw new AppError('invalid', `${option} must be disk or s3://bucket/prefix`, {
      hint: 'Options of a bucket follow as ?endpoint=https://host&region=name.',
    })
  }
  const source = from === undefined ? settings.storageFrom : located('--from', from)
  if (!source) {
    throw new AppError('invalid', '--from is missing, and so is JETTY_STORAGE_FROM', {
      hint: 'Name the storage in which the files are, for example: jetty storage copy --from disk --to s3://bucket',
    })
  }
  const copied = await copyStorage({
    settings,
    variables: process.env,
    from: source,
    to: to === undefined ? settings.storage : located('--to', to),
    onProgress: copyProgress(out.note),
  })
  out.answer(copied, () => copiedText(copied))
  if (copied.missing.length + copied.damaged.length > 0) process.exitCode = exitCodes.failed
}
