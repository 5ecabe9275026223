import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDiskObjects } from '../../src/store/objects/disk.ts'
import { startFakeS3 } from '../fakes/s3.ts'
import { testObjectStore } from './conformance.ts'
import { openS3 } from './open-s3.ts'

const partSize = 128 * 1024

testObjectStore({
  name: 'disk',
  largeBytes: partSize,
  async start() {
    const folder = await mkdtemp(join(tmpdir(), 'jetty-objects-'))
    return {
      open: (identity) => openDiskObjects(folder, async () => identity),
      close: () => rm(folder, { recursive: true, force: true }),
    }
  },
})

testObjectStore({
  name: 'fake S3',
  largeBytes: partSize,
  async start() {
    const fake = await startFakeS3({ leastPartBytes: partSize })
    return {
      open: async (identity) => openS3(fake, identity, { partBytes: () => partSize }).store,
      close: fake.close,
    }
  },
})
