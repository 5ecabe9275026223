import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { tarEntry } from '../../lib/files/tar.ts'
import { spillEntry } from './manifest.ts'

/**
 * Yields the files of calls that wait for the database. Read them before the tables: a call that moves to the database
 * meanwhile is in one of them, or in both.
 */
export async function* dumpSpill(folder: string): AsyncGenerator<Uint8Array> {
  const seen = new Set<string>()
  const unseen = async () =>
    (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.calls') && !seen.has(name))
  // Listed again: a server takes a file over by giving it another name.
  for (let names = await unseen(); names.length > 0; names = await unseen()) {
    for (const name of names) {
      seen.add(name)
      const file = await open(join(folder, name)).catch(() => undefined)
      if (!file) continue
      const { size } = await file.stat() // it may grow meanwhile
      const body = size > 0 ? file.createReadStream({ start: 0, end: size - 1 }) : await file.close().then(() => [])
      yield* tarEntry(spillEntry(name), size, body)
    }
  }
}
