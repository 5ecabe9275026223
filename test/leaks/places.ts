import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, gunzipSync, inflateRawSync } from 'node:zlib'
import type { Database } from '../../src/store/database/database.ts'

/** Somewhere a secret could have ended up. */
export interface Place {
  where: string
  text: string
}

const asText = (value: unknown): string =>
  typeof value === 'string' ? value : value instanceof Buffer ? value.toString('latin1') : (JSON.stringify(value) ?? '')

const rowsAtATime = 2_000

/** Every value of every column of every table, of all schemas. */
export async function* everyColumn(database: Database): AsyncGenerator<Place & { table: string; column: string }> {
  const tables = await database.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')
       and pg_relation_size(c.oid) > 0`, // most tables were never written to, and a look at each takes its time
  )
  for (const { name } of tables) {
    const table = name.replace(/^public\./, '')
    for (let after = '(0,0)'; ; ) {
      const rows = await database.query<Record<string, unknown>>(
        `select ctid::text as "ctid text", t.* from ${name} t where ctid > $1::tid order by ctid limit ${rowsAtATime}`,
        [after],
      )
      for (const { 'ctid text': _, ...row } of rows) {
        for (const [column, value] of Object.entries(row)) {
          if (value !== null && typeof value !== 'number' && typeof value !== 'boolean' && !(value instanceof Date)) {
            yield { where: `the column ${table}.${column}`, table, column, text: asText(value) }
          }
        }
      }
      if (rows.length < rowsAtATime) break
      after = String(rows.at(-1)?.['ctid text'])
    }
  }
}

/** A server that is still running may take away what was there a moment ago. */
const readIfThere = (path: string): Buffer | undefined => {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Every file below a folder, its name too. */
export function* everyFile(folder: string): Generator<Place> {
  if (!existsSync(folder)) return
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const bytes = readIfThere(join(entry.parentPath, entry.name))
    if (!bytes) continue
    yield { where: `the file ${join(entry.parentPath, entry.name)}`, text: `${entry.name}\n${unpacked(bytes)}` }
  }
}

const centralEntry = Buffer.from('PK\x01\x02')

const gzipStart = Buffer.from([0x1f, 0x8b, 0x08])

/** Bytes as text; of a zip archive, or of gzip, what is packed in it. */
export const unpacked = (bytes: Buffer): string => {
  if (bytes.subarray(0, 3).equals(gzipStart))
    return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).toString()
  if (!bytes.subarray(0, 2).equals(centralEntry.subarray(0, 2))) return bytes.toString()
  const parts = [bytes.toString()]
  for (let at = bytes.indexOf(centralEntry); at >= 0; at = bytes.indexOf(centralEntry, at + 4)) {
    const [packed, start] = [bytes.readUInt32LE(at + 20), bytes.readUInt32LE(at + 42)]
    const from = start + 30 + bytes.readUInt16LE(start + 26) + bytes.readUInt16LE(start + 28)
    const body = bytes.subarray(from, from + packed)
    parts.push((bytes.readUInt16LE(at + 10) === 8 ? inflateRawSync(body) : body).toString())
  }
  return parts.join('\n')
}
