import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { readWhole } from '../../lib/memory/byte-blocks.ts'
import type { JsonReading } from './body.ts'
import { type ReceivedForm, readForm } from './form.ts'
import type { Room } from './memory.ts'
import type { FileSink, FormLimits, PartNames } from './multipart.ts'

/** A file is held as bytes, as text and as its parsed value. */
const copiesOfFile = 3

/** A sink that holds files in memory under invented ids. */
const memorySink = (held: Map<string, Uint8Array>): FileSink => ({
  put: async (stream: Readable) => {
    const bytes = await readWhole(stream)
    const id = `held-${held.size}`
    held.set(id, bytes)
    return { id, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
  },
  remove: async (ids) => {
    for (const id of ids) held.delete(id)
  },
})

/** Reads a form whose one file stays in memory and is stored nowhere. The parser ends files above the limit. */
export const readHeldForm = async (
  body: IncomingMessage,
  names: PartNames,
  limits: FormLimits,
  reading: Pick<JsonReading, 'mostValues' | 'owner'>,
  room: Room,
): Promise<ReceivedForm> => {
  const held = new Map<string, Uint8Array>()
  const declared = Number(body.headers['content-length'])
  const bytes = declared >= 0 ? Math.min(declared, limits.maxFileBytes) : limits.maxFileBytes
  await room(copiesOfFile * bytes)
  const form = await readForm(body, body.headers, names, { ...limits, maxFiles: 1 }, memorySink(held), reading, room)
  const files = form.files.map((file) => ({ ...file, bytes: held.get(file.object) ?? new Uint8Array() }))
  return { ...form, files }
}
