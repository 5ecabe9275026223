import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type pg from 'pg'
import { readWhole } from '../../lib/memory/byte-blocks.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import type { RestoreState } from '../../store/system/restore-state.ts'
import { countRows, type ReadProgress } from './check-backup.ts'
import type { BackupEnd } from './manifest.ts'
import type { OpenedBackup } from './open-backup.ts'
import { beginLoad, completeLoad, type TableLoad } from './restore-database.ts'
import { visitBackup } from './visit-backup.ts'

/** Stores the objects of a backup under their own ids; several small ones at once. */
interface ObjectRestore {
  object(id: string, size: number, body: AsyncIterable<Buffer>): Promise<void>
  /** Resolves when all of them are stored. */
  settled(): Promise<void>
  readonly counts: { stored: number; present: number; bytes: number }
}

const smallBytes = 1024 * 1024
const atOnce = 8

const makeObjectRestore = (objects: Pick<ObjectStore, 'put' | 'sizeOf'>): ObjectRestore => {
  const counts = { stored: 0, present: 0, bytes: 0 }
  const underWay = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined

  const store = async (id: string, size: number, body: Uint8Array | AsyncIterable<Buffer>): Promise<void> => {
    // An earlier attempt may have stored it, or the storage is the one that the backup was made of.
    if ((await objects.sizeOf(id)) === size) {
      counts.present += 1
      return
    }
    await objects.put(body, { maxBytes: Number.MAX_SAFE_INTEGER, id })
    counts.stored += 1
    counts.bytes += size
  }

  const settled = async () => {
    await Promise.all(underWay)
    if (failure) throw failure.error
  }

  return {
    counts,
    settled,
    async object(id, size, body) {
      if (failure) throw failure.error
      if (size > smallBytes) return store(id, size, body)
      const stored: Promise<void> = store(id, size, await readWhole(body))
        .catch((error) => {
          failure ??= { error }
        })
        .finally(() => underWay.delete(stored))
      underWay.add(stored)
      if (underWay.size >= atOnce) await Promise.race(underWay)
    },
  }
}

interface RestoreTarget {
  client: pg.Client
  /** What the database says of an earlier attempt with the same backup. */
  before: RestoreState | undefined
  dataDir: string
  /** Writes the encryption keys of the backup, where there are none yet. */
  keepSecretKeys(keys: string): void
  /** Statements that hold what the backup had to do. */
  holdStatements: readonly string[]
  /** Brings the loaded tables up to date, and opens the storage. */
  openObjects(): Promise<ObjectStore>
  onProgress(progress: ReadProgress): void
}

interface RestoredCounts {
  end: BackupEnd
  rows: number
  objects: { stored: number; present: number; bytes: number }
  /** Objects that the folder of the backup does not have whole. */
  unreadable: readonly string[]
  /** Tables that Jetty does not have. */
  foreignTables: readonly string[]
}

const writeSpill = async (dataDir: string, file: string, body: AsyncIterable<Buffer>): Promise<void> => {
  const folder = join(dataDir, 'spill')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  // A server leaves the files of living processes alone, and the one that wrote this may be alive.
  await writeFile(join(folder, `restored-nobody-${basename(file)}`), body, { mode: 0o600, flush: true })
}

/**
 * Restores a backup: first the tables in one transaction, then the objects. An attempt that was interrupted after the tables
 * continues with the objects.
 */
export const restoreBackup = async (backup: OpenedBackup, target: RestoreTarget): Promise<RestoredCounts> => {
  const { client, before, onProgress } = target
  const { manifest } = backup
  const progress: ReadProgress = { table: undefined, rows: 0, objects: 0, bytes: 0 }
  const unreadable: string[] = []
  let load: TableLoad | undefined
  let objects: ReturnType<typeof makeObjectRestore> | undefined
  const loading = async () => {
    load ??= await beginLoad(client, manifest)
    return load
  }
  const end = await visitBackup(backup, {
    secretKey: async (keys) => target.keepSecretKeys(keys),
    spill: (file, body) => writeSpill(target.dataDir, file, body),
    async table(name, rows) {
      onProgress(Object.assign(progress, { table: name }))
      if (before) return countRows(rows)
      const count = await (await loading()).table(name, rows)
      progress.rows += count
      return count
    },
    async tablesEnd() {
      progress.table = undefined
      if (!before) await (await loading()).commit(target.holdStatements)
      objects = makeObjectRestore(await target.openObjects())
    },
    async object(id, size, body) {
      await objects?.object(id, size, body)
      progress.objects += 1
      progress.bytes += size
      onProgress(progress)
    },
    unreadable: (id) => void unreadable.push(id), // one rotten file must not keep a million others
    settled: async () => objects?.settled(),
  })
  await completeLoad(client, { ...end, backup: manifest.id, takenAt: end.taken_at })
  const counts = objects?.counts ?? { stored: 0, present: 0, bytes: 0 }
  return { end, rows: progress.rows, objects: counts, unreadable, foreignTables: load?.foreign ?? [] }
}
