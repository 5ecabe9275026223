// Sweeps an object store again and again, of which now nothing and now everything has a name, until it is killed.
import { openDiskObjects } from '../../../src/store/objects/disk.ts'

const main = async (): Promise<never> => {
  const [folder = '', ...parts] = process.argv.slice(2)
  const objects = await openDiskObjects(folder, async () => ({ installation: 'one', origin: '1/1/1' }))
  console.log('sweeping')
  for (let round = 0; ; round++) {
    const named = round % 2 === 0 ? async () => new Set<string>() : async (ids: string[]) => new Set(ids)
    for (const part of parts) await objects.sweepUnnamed({ part: Number(part), days: 1, named })
  }
}

void main()
