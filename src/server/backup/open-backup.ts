import { text } from 'node:stream/consumers'
import { AppError } from '../../lib/errors.ts'
import { readTar, type TarEntry } from '../../lib/files/archives.ts'
import { peek } from '../../lib/files/byte-reader.ts'
import { decryptStream, isEncrypted } from '../../lib/secrets/encrypted-stream.ts'
import { type BackupManifest, endName, manifestName, manifestSchema } from './manifest.ts'
import type { ObjectFolder } from './object-folder.ts'

/** A backup of which the manifest was read. */
export interface OpenedBackup {
  manifest: BackupManifest
  isEncrypted: boolean
  /** The entries after the manifest, to be read once. */
  entries: AsyncGenerator<TarEntry>
  /** Where the bytes of files are that the backup only names. */
  folder: ObjectFolder | undefined
}

const noBackup = (cause?: unknown): AppError =>
  new AppError('invalid', 'This is no backup of a Jetty server', {
    hint: 'Name the file that `jetty backup` has written.',
    cause,
  })

const passphraseMissing = (): AppError =>
  new AppError('invalid', 'The backup is encrypted, and no passphrase is given', {
    hint: 'Use --passphrase-file, or set JETTY_BACKUP_PASSPHRASE.',
  })

const headBytes = 512

/** Far more than these entries have, even where millions of files were deleted meanwhile. */
const longestText = 256 * 1024 * 1024

/** Reads an entry that is held in memory. */
export const readEntryText = async ({ name, size, body }: TarEntry): Promise<string> => {
  if (size <= longestText) return text(body)
  throw new AppError('invalid', `The backup is damaged: ${name} has ${size} bytes`, { hint: 'Use another one.' })
}

/** Reads an entry as JSON; undefined where it is none. */
export const readEntryJson = async (entry: TarEntry): Promise<unknown> => {
  const read = await readEntryText(entry)
  try {
    return JSON.parse(read)
  } catch {
    return undefined
  }
}

const parseManifest = async (first: TarEntry | undefined): Promise<BackupManifest> => {
  if (first?.name !== manifestName) throw noBackup()
  const parsed = manifestSchema.safeParse(await readEntryJson(first))
  if (parsed.success) return parsed.data
  throw new AppError('invalid', 'The backup has a format that this version does not know', {
    hint: 'A newer version wrote it. Restore it with that version or a newer one.',
    cause: parsed.error,
  })
}

/** Reads the beginning of a backup. Throws `invalid` where it is none, or where the passphrase is missing or wrong. */
export const openBackup = async (
  bytes: AsyncIterable<Uint8Array>,
  passphrase: string | undefined,
  folder?: ObjectFolder | undefined,
): Promise<OpenedBackup> => {
  const { head, whole } = await peek(bytes, headBytes)
  if (isEncrypted(head) && passphrase === undefined) throw passphraseMissing()
  const plain = isEncrypted(head) ? decryptStream(whole, { passphrase: passphrase ?? '' }) : whole
  if (!isEncrypted(head) && !head.toString('latin1').startsWith(manifestName)) throw noBackup()
  const entries = readTar(plain, endName)
  const first = await entries.next()
  const manifest = await parseManifest(first.done ? undefined : first.value)
  return { manifest, isEncrypted: isEncrypted(head), entries, folder }
}
