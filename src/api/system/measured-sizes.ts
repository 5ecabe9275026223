import { statfs } from 'node:fs/promises'
import { now, timestamp } from '../../lib/time.ts'
import type { SystemState } from '../../model/system.ts'
import type { Database } from '../../store/database/database.ts'
import { databaseSizes, storedTotals } from '../../store/system/sizes.ts'

/** Sizes come from the file system, file by file, so they are cached for a minute. */
const keptMs = 60_000

const diskOf = async (folder: string): Promise<{ free: number | null; total: number | null }> => {
  try {
    const { bavail, blocks, bsize } = await statfs(folder)
    return { free: bavail * bsize, total: blocks * bsize }
  } catch {
    return { free: null, total: null }
  }
}

const measure = async (database: Database, dataDir: string): Promise<SystemState['sizes']> => {
  const [sizes, totals, disk] = await Promise.all([databaseSizes(database), storedTotals(database), diskOf(dataDir)])
  return {
    measured_at: timestamp(new Date(now())),
    database_bytes: sizes.bytes,
    tables: sizes.tables,
    collections: totals.collections,
    runs: totals.runs,
    file_bytes: totals.fileBytes,
    disk_free_bytes: disk.free,
    disk_bytes: disk.total,
  }
}

/** Makes a reader of sizes that measures once a minute. */
export const makeMeasuredSizes = (database: Database, folder: () => string): (() => Promise<SystemState['sizes']>) => {
  let kept: Promise<SystemState['sizes']> | undefined
  let measuredMs = Number.NEGATIVE_INFINITY
  return () => {
    if (kept && performance.now() - measuredMs < keptMs) return kept
    measuredMs = performance.now()
    const measuring = measure(database, folder())
    kept = measuring
    measuring.catch(() => {
      if (kept === measuring) kept = undefined
    })
    return measuring
  }
}
