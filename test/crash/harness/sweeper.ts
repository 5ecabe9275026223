// Sweeps an object store again and again, of which now everything and now nothing has a name, until it is killed.
import { readdir, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { openDiskObjects } from '../../../src/store/objects/disk.ts'

const main = async (): Promise<never> => {
  const [folder = '', ...parts] = process.argv.slice(2)
  const objects = await openDiskObjects(folder, async () => ({ installation: 'one', origin: '1/1/1' }))
  const old = new Date(Date.now() - 2 * 86_400_000)
  console.log('sweeping')
  for (let round = 0; ; round++) {
    const named = round % 2 === 0 ? async () => new Set<string>() : async (ids: string[]) => new Set(ids)
    for (const part of parts) await objects.sweepUnnamed({ part: Number(part), days: 1, named })
    if (round % 2 === 0) continue
    for (const entry of await readdir(join(folder, 'objects'), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), old, old).catch(() => {})
    }
  }
}

void main()
