/** What a backup says about itself: `backup.json` is its first entry, `end.json` its last one. */
import { z } from 'zod'
import { isObjectId } from '../../store/objects/object-id.ts'

export const manifestName = 'backup.json'
export const endName = 'end.json'

const tableShape = z.object({ name: z.string(), columns: z.array(z.string()).min(1) })

export const manifestSchema = z.object({
  format: z.literal(1),
  id: z.uuid(),
  /** Version of the program that wrote it. */
  version: z.string(),
  begun_at: z.iso.datetime(),
  /** Names of the migrations that its tables have. */
  migrations: z.array(z.string()).min(1),
  /** Id of the key that its secrets are encrypted with; null before the first start of a server. */
  secret_key_id: z.string().nullable(),
  has_secret_key: z.boolean(),
  /** Whether it contains the bytes of files, or names them in its folder. */
  has_files: z.boolean(),
  /** Parents before children. */
  tables: z.array(tableShape).min(1),
})

export type BackupManifest = z.output<typeof manifestSchema>

export const endSchema = z.object({
  /** The moment whose state the tables have. */
  taken_at: z.iso.datetime(),
  /** Rows by table. */
  rows: z.record(z.string(), z.number()),
  sequences: z.array(z.object({ name: z.string(), last_value: z.string(), is_called: z.boolean() })),
  objects: z.number(),
  object_bytes: z.number(),
  /** Objects that were deleted while the backup began: their rows are removed when it is restored. */
  deleted: z.array(z.string()),
  /** Objects that the storage had lost before. */
  lost: z.array(z.string()),
  /** Objects whose bytes differ from what the database says about them. */
  damaged: z.array(z.string()),
  /** SHA-256 of everything before this entry, in hex. */
  sha256: z.string(),
})

export type BackupEnd = z.output<typeof endSchema>

/** Tables that a restored server does not take over: they belong to processes, browsers, or the schema itself. */
export const leftOutTables: ReadonlySet<string> = new Set([
  'executors',
  'queued_leases',
  'schema_migrations',
  'sessions',
  'sign_in_codes',
])

export const tableEntry = (table: string, n: number): string => `tables/${table}/${String(n).padStart(6, '0')}.gz`
/** Objects that stand beside the backup in its folder, as lines of id, size and hash. */
export const listEntry = (n: number): string => `listed/objects/${String(n).padStart(6, '0')}.gz`
export const objectEntry = (id: string): string => `objects/${id}`
export const spillEntry = (file: string): string => `spill/${file}`
export const secretKeyName = 'secret-key'

/** What an entry is, by its name. */
export const entryKind = (
  name: string,
): { kind: 'table' | 'object' | 'spill'; of: string } | { kind: 'secret-key' | 'listed' | 'end' | 'unknown' } => {
  if (name === endName) return { kind: 'end' }
  if (name === secretKeyName) return { kind: 'secret-key' }
  if (/^listed\/objects\/\d+\.gz$/.test(name)) return { kind: 'listed' }
  const [folder = '', of = '', ...more] = name.split('/')
  if (folder === 'tables' && of !== '' && /^\d+\.gz$/.test(more.join('/'))) return { kind: 'table', of }
  if (folder === 'objects' && isObjectId(of) && more.length === 0) return { kind: 'object', of }
  if (folder === 'spill' && /^[\w-]+\.calls$/.test(of) && more.length === 0) return { kind: 'spill', of }
  return { kind: 'unknown' }
}
