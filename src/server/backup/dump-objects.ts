import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { backoffMs } from '../../lib/backoff.ts'
import { AppError } from '../../lib/errors.ts'
import { tarEntry } from '../../lib/files/archives.ts'
import { readLines, readWhole } from '../../lib/memory/byte-blocks.ts'
import { pause } from '../../lib/time.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import { objectEntry } from './manifest.ts'

export interface ObjectDump {
  objects: Pick<ObjectStore, 'open'>
  /** Path of the list of objects; see `listObjects`. */
  list: string
  /** Whether a row still names an object. */
  isNamed(id: string): Promise<boolean>
  onProgress(): void
  signal: AbortSignal
}

/** What became of the objects; counted while they are read. */
export interface ObjectCounts {
  objects: number
  bytes: number
  /** Objects whose bytes were written now; the others were in the folder of the backup. */
  copied: number
  deleted: string[]
  lost: string[]
  damaged: string[]
}

export interface NamedBytes {
  id: string
  size: number
  sha256: string | null
}

const isNotFound = (error: unknown): boolean => error instanceof AppError && error.code === 'not_found'

/** An interruption after which the storage may answer again. */
const isAway = (error: unknown): boolean =>
  error instanceof AppError && ['storage_unavailable', 'network_failed', 'timed_out'].includes(error.code)

const longestOutageMs = 10 * 60_000
const storageBackoff = { firstMs: 200, longestMs: 5_000 }

/** Tries again while the storage is away, up to ten minutes. */
export const whileAway = async <T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> => {
  const giveUpAt = performance.now() + longestOutageMs
  for (let failures = 1; ; failures++) {
    try {
      return await work()
    } catch (error) {
      if (!isAway(error) || performance.now() > giveUpAt) throw error
      if (!(await pause(backoffMs(failures, storageBackoff), signal))) throw error
    }
  }
}

/** Yields the bytes of an object; goes on with the next byte where the storage has cut the connection. */
async function* bytesOf({ objects, signal }: ObjectDump, id: string, first?: Readable): AsyncGenerator<Buffer> {
  let read = 0
  for (let opened = first; ; opened = undefined) {
    const stream = opened ?? (await whileAway(() => objects.open(id, { start: read }), signal)).stream
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        read += chunk.length
        yield chunk
      }
      return
    } catch (error) {
      if (!isAway(error)) throw error
    }
  }
}

/** Small objects are read ahead, so that a storage far away is not waited for once for each. */
const smallBytes = 256 * 1024
const aheadCount = 16

interface OpenedObject {
  size: number
  /** `missing`: not in the storage. */
  body: AsyncIterable<Uint8Array> | readonly Uint8Array[] | 'missing'
}

/** Opens an object; one that is read ahead is in memory then, unless it is larger than it should be. */
export const openListed = async (dump: ObjectDump, id: string, isAhead: boolean): Promise<OpenedObject> => {
  try {
    const { stream, size } = await whileAway(() => dump.objects.open(id), dump.signal)
    if (!isAhead) return { size, body: bytesOf(dump, id, stream) }
    if (size <= smallBytes) return { size, body: [await readWhole(bytesOf(dump, id, stream))] }
    stream.destroy()
    return { size, body: bytesOf(dump, id) }
  } catch (error) {
    if (!isNotFound(error)) throw error
    return { size: 0, body: 'missing' }
  }
}

/** Parses a line of id, size and hash, as COPY writes it. */
export const parseListed = (line: string): NamedBytes => {
  const [id = '', size, sha256] = line.split('\t')
  return { id, size: Number(size), sha256: sha256 === '\\N' || sha256 === undefined ? null : sha256 }
}

/** Reads a list of objects; see `listObjects`. */
export async function* listedIn(path: string): AsyncGenerator<NamedBytes> {
  for await (const line of readLines(createReadStream(path))) yield parseListed(line.toString())
}

/** Yields the objects of a list; opens small ones before their turn. */
async function* openAhead(dump: ObjectDump): AsyncGenerator<NamedBytes & { open(): Promise<OpenedObject> }> {
  const waiting: (NamedBytes & { open(): Promise<OpenedObject> })[] = []
  for await (const listed of listedIn(dump.list)) {
    const isAhead = listed.size <= smallBytes
    const opening = isAhead ? openListed(dump, listed.id, true) : undefined
    opening?.catch(() => {}) // it is awaited in its turn
    waiting.push({ ...listed, open: () => opening ?? openListed(dump, listed.id, false) })
    if (waiting.length >= aheadCount) yield waiting.shift() as (typeof waiting)[number]
  }
  yield* waiting
}

/** Passes bytes on, and says their hash at the end. */
export async function* hashed(
  body: AsyncIterable<Uint8Array> | readonly Uint8Array[],
  onEnd: (sha256: string) => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  for await (const chunk of body) {
    hash.update(chunk)
    yield chunk
  }
  onEnd(hash.digest('hex'))
}

/** Yields the objects of a list as entries, and counts them. Those that are not there are noted, and left out. */
export async function* dumpObjects(dump: ObjectDump, counts: ObjectCounts): AsyncGenerator<Uint8Array> {
  for await (const { id, open, ...expected } of openAhead(dump)) {
    dump.signal.throwIfAborted()
    const { size, body } = await open()
    if (body === 'missing') {
      if (await dump.isNamed(id)) counts.lost.push(id)
      else counts.deleted.push(id)
      continue
    }
    let isRight = size === expected.size
    yield* tarEntry(
      objectEntry(id),
      size,
      hashed(body, (sha256) => {
        isRight &&= expected.sha256 === null || expected.sha256 === sha256
      }),
    )
    if (!isRight) counts.damaged.push(id)
    counts.objects += 1
    counts.copied += 1
    counts.bytes += size
    dump.onProgress()
  }
}
