import { randomBytes } from 'node:crypto'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { pause } from '../../lib/time.ts'
import type { SecretKeyRotation } from '../../model/collections/secret-key.ts'
import type { Database } from '../database/database.ts'
import { bool, change, queryOne, text } from '../database/table.ts'
import { countOlder, resealColumn, type SealedColumn, sealedColumns } from './sealed-texts.ts'

/** Source of this process's sealing keys. */
export type KeyHome =
  /** A file that only this process reads: it creates new keys itself. */
  | { kind: 'file'; write(keys: Buffer[]): void; read(): Buffer[] }
  /** A file that other processes may read: they could not be told of a new key. */
  | { kind: 'shared_file' }
  | { kind: 'setting' }

const putFirst =
  'Put a new key (`openssl rand -base64 32`) in front of the old one, JETTY_SECRET_KEY=new,old, for every process, ' +
  'restart them one after another, then rotate again.'

const moveToSetting =
  'Other processes may read the file secret-key and would not learn of a new key. Set JETTY_SECRET_KEY=new,old ' +
  'for every process, where old is the content of the file, restart them one after another, then rotate again.'

/** Throws `conflict` with the way out if there is no newer key, and this process cannot make one. */
const requireNewerKey = (home: KeyHome, sealer: Sealer): void => {
  if (home.kind === 'shared_file') {
    throw new AppError('conflict', 'The encryption key comes from a file, but other processes share the database', {
      hint: moveToSetting,
    })
  }
  if (home.kind === 'setting' && sealer.keyIds.length < 2) {
    throw new AppError('conflict', 'JETTY_SECRET_KEY contains only one key, so there is no newer key to rotate to', {
      hint: putFirst,
    })
  }
}

/** Says what the operator should do next. */
const nextStep = (home: KeyHome, state: SecretKeyRotation['state'], remaining: number, keys: number): string => {
  if (state === 'running') return 'Wait, then ask again.'
  if (state === 'failed')
    return 'Remove the cause in `error`, then rotate again; the rotation continues where it stopped.'
  if (home.kind === 'shared_file') return moveToSetting
  if (home.kind === 'file') {
    if (home.read().length > 1) return 'Rotate again: an earlier rotation is not finished.'
    return 'Nothing. Rotate to use a new key; earlier backups need the key they were made with.'
  }
  if (keys < 2) return putFirst
  if (remaining > 0)
    return 'Rotate: secrets with an older key are encrypted with the newest one. All processes must already have it.'
  return 'The older keys are no longer needed: remove them from JETTY_SECRET_KEY of every process, and restart the processes.'
}

/** Progress of a key rotation, stored so that any process can report it. */
interface RotationProgress {
  key_id: string
  state: 'running' | 'done' | 'failed'
  total: number
  resealed: number
  error: string | null
}

/** Stores the progress of the rotation that is under way. */
const saveRotationProgress = change(
  'save_key_rotation',
  `insert into server (key, value) values ('key-rotation', $1) on conflict (key) do update set value = excluded.value`,
  (progress: RotationProgress) => [JSON.stringify(progress)],
)

const readStored = queryOne(
  'read_key_rotation',
  { value: text, held: bool },
  `select value, exists (select from pg_locks where locktype = 'advisory' and classid = lock_space()::oid and objid = 2
     and database = (select oid from pg_database where datname = current_database())) as held
   from server where key = 'key-rotation'`,
)

/**
 * Reads the progress of the latest rotation to this key. One marked as running while nobody holds the lock has died.
 */
const readRotationProgress = async (database: Database, keyId: string): Promise<RotationProgress | undefined> => {
  const row = await readStored(database)
  const progress = row && (JSON.parse(row.value) as RotationProgress)
  if (!progress || progress.key_id !== keyId) return undefined
  if (progress.state !== 'running' || row.held) return progress
  return { ...progress, state: 'failed', error: 'The process that rotated the key ended before it had finished' }
}

export interface KeyRotation {
  /** Starts or resumes re-encrypting everything with the newest key; does nothing while that is under way. */
  start(): Promise<void>
  status(): Promise<SecretKeyRotation>
  stop(): Promise<void>
}

export interface KeyRotationOptions {
  database: Database
  sealer: Sealer
  home: KeyHome
  log: Pick<Logger, 'info' | 'error'>
  /** Resolves when every run start that began before has been written. */
  settled(): Promise<void>
  /** Maximum time between encrypting a text and writing it, for all other calls. */
  settleMs?: number
}

/** Queries time out after 30 s, and their writes with them. */
const longestWriteMs = 31_000
const betweenPassesMs = 200
/** Passes after which remaining texts must be in use with an older key right now, or locked. */
const mostPasses = 50
const comeAgain =
  'Secrets with an older key keep appearing: another process does not have the new key first in JETTY_SECRET_KEY'
const stopped = () => new AppError('busy', 'The server was stopped in the meantime')
const texts = sealedColumns.filter(({ table }) => table !== 'server')

/** Waits for writes of texts that were encrypted just before the new key came. */
const waitForLateWrites = async (options: KeyRotationOptions, signal: AbortSignal): Promise<void> => {
  const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  await Promise.race([options.settled(), aborted])
  if (!(await pause(options.settleMs ?? longestWriteMs, signal))) throw stopped()
}

/** Repeats passes until no text has an older key; texts locked in one pass are retried in the next. */
const resealAll = async (
  { database, sealer }: KeyRotationOptions,
  columns: readonly SealedColumn[],
  progress: RotationProgress,
  signal: AbortSignal,
): Promise<void> => {
  const onProgress = async (count: number) => {
    progress.resealed += count
    if (signal.aborted) throw stopped()
    await saveRotationProgress(database, progress)
  }
  for (let pass = 1; ; pass++) {
    for (const column of columns) await resealColumn(database, sealer, column, onProgress)
    if (sum(await countOlder(database, sealer.currentKeyId, columns)) === 0) return
    if (pass === mostPasses) throw new AppError('conflict', comeAgain)
    await pause(betweenPassesMs, signal)
  }
}

/** Re-encrypts all texts, and the texts of the server last. */
const rotate = async (options: KeyRotationOptions, progress: RotationProgress, signal: AbortSignal): Promise<void> => {
  const { database, sealer, home, log } = options
  await resealAll(options, texts, progress, signal)
  if (home.kind === 'file') {
    await waitForLateWrites(options, signal)
    await resealAll(options, texts, progress, signal)
  }
  await resealAll(options, sealedColumns, progress, signal)
  if (home.kind === 'file') home.write(home.read().slice(0, 1))
  await saveRotationProgress(database, { ...progress, state: 'done' })
  log.info({ key: sealer.currentKeyId, resealed: progress.resealed }, 'all secrets are encrypted with the newest key')
}

/** Adds a new key if this process makes them, and notes that a rotation is under way. */
const prepare = async ({ database, sealer, home }: KeyRotationOptions): Promise<RotationProgress> => {
  if (home.kind === 'file' && home.read().length === 1) {
    const key = randomBytes(32)
    home.write([key, ...home.read()])
    sealer.addNewest(key)
  }
  const total = sum(await countOlder(database, sealer.currentKeyId))
  const progress: RotationProgress = { key_id: sealer.currentKeyId, state: 'running', total, resealed: 0, error: null }
  await saveRotationProgress(database, progress)
  return progress
}

const statusOf = async ({ database, sealer, home }: KeyRotationOptions): Promise<SecretKeyRotation> => {
  const [older, progress] = await Promise.all([
    countOlder(database, sealer.currentKeyId),
    readRotationProgress(database, sealer.currentKeyId),
  ])
  const { state = 'idle', total = 0, resealed = 0, error = null } = progress ?? {}
  const remaining = sum(older)
  return {
    current_key_id: sealer.currentKeyId,
    state,
    total,
    resealed,
    remaining,
    error,
    older_keys_in_use: [...older.keys()].sort(),
    next_step: nextStep(home, state, remaining, sealer.keyIds.length),
  }
}

export const makeKeyRotation = (options: KeyRotationOptions): KeyRotation => {
  const { database, sealer, home, log } = options
  const stopper = new AbortController()
  let beginning: Promise<void> | undefined
  let running: Promise<void> | undefined

  const run = async (progress: RotationProgress, unlock: () => Promise<void>): Promise<void> => {
    try {
      await rotate(options, progress, stopper.signal)
    } catch (error) {
      log.error({ err: error }, 'the rotation of the encryption key stopped; rotate again to continue')
      await saveRotationProgress(database, { ...progress, state: 'failed', error: messageOf(error) }).catch(() => {})
    }
    running = undefined
    await unlock().catch(() => {})
  }

  const begin = async (): Promise<void> => {
    const client = await database.connect('jetty-key-rotation')
    try {
      const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock(lock_space(), 2) as locked')
      if (!rows[0]?.locked) return await client.end() // another process is doing it
      running = run(await prepare(options), () => client.end())
    } catch (error) {
      await client.end().catch(() => {})
      throw error
    }
  }

  return {
    async start() {
      requireNewerKey(home, sealer)
      if (running) return
      beginning ??= begin().finally(() => {
        beginning = undefined
      })
      await beginning
    },
    status: () => statusOf(options),
    async stop() {
      stopper.abort()
      await beginning?.catch(() => {})
      await running
    },
  }
}

const sum = (counts: Map<string, number>): number => [...counts.values()].reduce((left, right) => left + right, 0)
