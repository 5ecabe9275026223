import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { z } from 'zod'
import { atATime } from '../../lib/at-a-time.ts'
import { AppError } from '../../lib/errors.ts'
import { syncFolder } from '../../lib/files/sync-folder.ts'
import { decryptStream, encryptStream } from '../../lib/secrets/encrypted-stream.ts'
import { checkedId, isObjectId } from '../../store/objects/object-id.ts'
import { hashed, listedIn, type NamedBytes, type ObjectCounts, type ObjectDump, openListed } from './dump-objects.ts'

/**
 * A folder for many backups of a server: each is one file `<time>-<id>.backup`, and they share the bytes of files in
 * `objects/`. An object never changes, so the next backup copies only new ones.
 */
export interface ObjectFolder {
  has(id: string): Promise<boolean>
  /** Stores an object; it appears whole or not at all. */
  put(id: string, body: AsyncIterable<Uint8Array>): Promise<void>
  open(id: string): AsyncIterable<Uint8Array>
  remove(id: string): Promise<void>
  /** Makes what was stored survive a power cut. */
  sync(): Promise<void>
  /** Ids of all objects. */
  ids(): AsyncIterable<string>
}

/** Format 1 with a salt has objects of `jetty-encrypted/1`, and without one plain objects. */
const noteSchema = z.discriminatedUnion('format', [
  z.object({ format: z.literal(1), salt: z.string().nullable() }),
  z.object({ format: z.literal(2) }),
])
const noteName = 'jetty-backups.json'
/** The identity of age that opens the objects, encrypted with the passphrase: scrypt once a folder, not once an object. */
const keyName = 'key.age'

const readNote = async (path: string) => {
  const text = await readFile(join(path, noteName), 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : noteSchema.parse(JSON.parse(text))
}

/** Whether a folder has backups that share their objects. */
export const isObjectFolder = async (path: string): Promise<boolean> => (await readNote(path)) !== undefined

const passphraseFault = (path: string, isEncrypted: boolean): AppError =>
  new AppError('invalid', `The backups in ${path} are ${isEncrypted ? '' : 'not '}encrypted`, {
    hint: isEncrypted ? 'Give their passphrase.' : 'Leave the passphrase out, or use another folder.',
  })

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

const writeWhole = async (path: string, body: AsyncIterable<Uint8Array> | string): Promise<void> => {
  const draft = `${path}.part`
  await writeFile(draft, body, { mode: 0o600, flush: true })
  await rename(draft, path)
}

const writeNote = (path: string, note: z.input<typeof noteSchema>): Promise<void> =>
  writeWhole(join(path, noteName), `${JSON.stringify(note)}\n`)

/** Reads the identity of a folder, or makes the first one. */
const openIdentity = async (path: string, passphrase: string, hasOne: boolean): Promise<string> => {
  const file = join(path, keyName)
  if (hasOne) return (await text(decryptStream(createReadStream(file), { passphrase }))).trim()
  const identity = await generateX25519Identity()
  await writeWhole(file, encryptStream(Readable.from([Buffer.from(`${identity}\n`)]), { passphrase }))
  await writeNote(path, { format: 2 })
  return identity
}

/** Opens the folder of backups; makes it, or its key, where `isNew` allows that. Call it under the lock then. */
export const openObjectFolder = async (
  path: string,
  passphrase: string | undefined,
  isNew: boolean,
): Promise<ObjectFolder> => {
  const note = await readNote(path)
  if (!note && !isNew)
    throw new AppError('invalid', `${path} is no folder of backups`, {
      hint: 'Name a file that `jetty backup` has written.',
    })
  const hasKey = note?.format === 2
  const needsPassphrase = note ? hasKey || note.salt !== null : passphrase !== undefined
  if (needsPassphrase !== (passphrase !== undefined)) throw passphraseFault(path, needsPassphrase)
  if (!note && passphrase === undefined) await writeNote(path, { format: 1, salt: null })
  const usesKey = passphrase !== undefined && (hasKey || isNew)
  const identity = usesKey ? await openIdentity(path, passphrase, hasKey) : undefined
  const recipient = identity && (await identityToRecipient(identity))
  const written = new Set<string>()
  const pathOf = (id: string) => join(path, 'objects', checkedId(id).slice(0, 2), id)
  return {
    has: (id) => isThere(pathOf(id)),
    async put(id, body) {
      const target = pathOf(id)
      const draft = `${target}.${process.pid}.part`
      await mkdir(dirname(target), { recursive: true, mode: 0o700 })
      const bytes = recipient ? encryptStream(body, { recipient }) : body
      const file = createWriteStream(draft, { mode: 0o600, flush: true })
      const closed = new Promise<void>((resolve) => file.once('close', resolve))
      try {
        await pipeline(bytes, file)
        await rename(draft, target)
        written.add(dirname(target))
      } finally {
        await closed // where the bytes failed at once, the file may still be about to be made
        await rm(draft, { force: true })
      }
    },
    // Opens the file with the first byte that is read: an object that is there already is not read.
    async *open(id) {
      const bytes = createReadStream(pathOf(id))
      yield* passphrase === undefined ? bytes : decryptStream(bytes, { passphrase, identity })
    },
    async sync() {
      for (const folder of written) await syncFolder(folder)
      if (written.size > 0) await syncFolder(join(path, 'objects'))
      await syncFolder(path)
    },
    remove: (id) => rm(pathOf(id), { force: true }),
    async *ids() {
      for (const part of await readdir(join(path, 'objects')).catch(() => [])) {
        for (const name of await readdir(join(path, 'objects', part))) if (isObjectId(name)) yield name
      }
    },
  }
}

const pageSize = 256
const atOnce = 8

const isWrong = new Error('other bytes than the database says')

/** Reads an object, and throws at its end unless size and hash are right: what a folder has once is not read again. */
async function* verified(body: Parameters<typeof hashed>[0], { size, sha256 }: NamedBytes): AsyncGenerator<Uint8Array> {
  const found = { size: 0, sha256: '' }
  for await (const chunk of hashed(body, (hash) => {
    found.sha256 = hash
  })) {
    found.size += chunk.length
    yield chunk
  }
  if (found.size !== size || (sha256 !== null && found.sha256 !== sha256)) throw isWrong
}

/** Stores one listed object unless it is there; returns its line, or undefined where its bytes are gone or damaged. */
const storeOne = async (dump: ObjectDump, folder: ObjectFolder, listed: NamedBytes, counts: ObjectCounts) => {
  const { id, size } = listed
  if (!(await folder.has(id))) {
    const opened = await openListed(dump, id, false)
    if (opened.body === 'missing') {
      counts[(await dump.isNamed(id)) ? 'lost' : 'deleted'].push(id)
      return undefined
    }
    try {
      await folder.put(id, verified(opened.body, listed))
    } catch (error) {
      if (error !== isWrong) throw error
      counts.damaged.push(id)
      return undefined
    }
    counts.copied += 1
  }
  counts.objects += 1
  counts.bytes += size
  return Buffer.from(`${id}\t${size}\t${listed.sha256 ?? '\\N'}\n`)
}

/** Stores the objects that a folder does not have yet, and yields a line for each that it has then. */
export async function* storeInFolder(
  dump: ObjectDump,
  folder: ObjectFolder,
  counts: ObjectCounts,
): AsyncGenerator<Buffer> {
  let page: NamedBytes[] = []
  const storePage = () => atATime(atOnce, page, (listed) => storeOne(dump, folder, listed, counts))
  for await (const listed of listedIn(dump.list)) {
    dump.signal.throwIfAborted()
    page.push(listed)
    if (page.length < pageSize) continue
    for (const line of await storePage()) if (line) yield line
    dump.onProgress()
    page = []
  }
  for (const line of await storePage()) if (line) yield line
}
