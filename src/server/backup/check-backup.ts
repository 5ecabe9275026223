import type { BackupEnd } from './manifest.ts'
import type { OpenedBackup } from './open-backup.ts'
import { visitBackup } from './visit-backup.ts'

/** How far the reading of a backup has come. */
export interface ReadProgress {
  table: string | undefined
  rows: number
  objects: number
  bytes: number
}

const lineFeed = 10

/** Counts rows without loading them. A row is a line: the text format of COPY escapes line feeds in values. */
export const countRows = async (rows: AsyncIterable<Buffer>): Promise<number> => {
  let count = 0
  for await (const chunk of rows) {
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, at + 1)) count++
  }
  return count
}

const drain = async (body: AsyncIterable<Buffer>): Promise<void> => {
  for await (const _ of body);
}

/** Reads a whole backup and verifies it. Throws `invalid` with what is wrong. */
export const checkBackup = (backup: OpenedBackup, onProgress: (progress: ReadProgress) => void): Promise<BackupEnd> => {
  const progress: ReadProgress = { table: undefined, rows: 0, objects: 0, bytes: 0 }
  return visitBackup(backup, {
    secretKey: async () => {},
    spill: (_, body) => drain(body),
    async table(name, rows) {
      onProgress(Object.assign(progress, { table: name }))
      const count = await countRows(rows)
      progress.rows += count
      return count
    },
    async tablesEnd() {
      progress.table = undefined
    },
    async object(_, size, body) {
      await drain(body)
      progress.objects += 1
      progress.bytes += size
      onProgress(progress)
    },
    settled: async () => {},
  })
}
