// What tasks, datasets and models have been. Each noun has a table of versions, which the statements that change it append to under
// the lock of its row, so `seq` has no gaps. The statements that read versions are the same for all, and declared here.
import { createHash } from 'node:crypto'
import { AppError } from '../lib/errors.ts'
import { canonicalJson } from '../lib/json/json-text.ts'
import type { Queries } from './database/database.ts'
import {
  bigint,
  type Columns,
  change,
  int,
  list,
  moment,
  namesOf,
  orNull,
  query,
  type Row,
  text,
} from './database/table.ts'

const facts = {
  id: bigint,
  /** 0 is the oldest. */
  seq: int,
  operation_type: text,
  created_at: moment,
  /** Null for the server itself, and for versions from before authors were stored. */
  author: orNull(text),
}

/** A version of a task, dataset or model. */
export interface Version extends Row<typeof facts> {
  content_hash: string
  /** The tag that it was saved under, and those that were set afterwards. */
  tags: string[]
  /** What was changed and why; only versions of tasks have one. */
  note?: string | null
  /** JSON text of the content; without its large members where a list did not ask for them. */
  data: string
}

/** SHA-256 of the canonical JSON of a version's content. */
export const contentHash = (content: unknown): string =>
  createHash('sha256').update(canonicalJson(content)).digest('hex')

/** A tag that is set on a version. */
interface SetTag {
  tag: string
  seq: number
  author: string
}

type Find<By> = (queries: Queries, id: number, by: By) => Promise<Version | undefined>

export interface Versions {
  /** Lists versions from a sequence number downwards, newest first; with their content when `whole`. */
  list(queries: Queries, id: number, page: { from: number; limit: number; whole: boolean }): Promise<Version[]>
  at: Find<number>
  /** Finds the newest version with that content. */
  byHash: Find<string>
  /** Finds the version that the tag was set on, or else the newest one that was saved under it. */
  byTag: Find<string>
  /** SQL: number of the version that has a tag, as `byTag` finds it; `id` and `tag` are expressions. */
  seqOfTag(id: string, tag: string): string
  /** Sets a tag on a version; a tag that exists moves. */
  setTag(queries: Queries, id: number, set: SetTag): Promise<unknown>
  /** Removes a tag that was set; false when there was none. */
  removeTag(queries: Queries, id: number, tag: string): Promise<boolean>
}

interface VersionedNoun<Of extends Columns> {
  noun: 'task' | 'entity'
  /** Column of the tag that a version was saved under. */
  tag: string
  /** What the content is made of. */
  columns: Of
  /** SQL: these columns, and where they are; `whole` says when large ones are read. */
  content(whole: string): string
  read(row: Row<typeof facts & Of>): { data: string; content_hash: string }
}

/** Declares the statements that read the versions of a noun. */
export const declareVersions = <const Of extends Columns>(of: VersionedNoun<Of>): Versions => {
  const { noun, tag, columns } = of
  const row = { ...facts, tags: list(text), ...columns }
  const select = (whole: string) =>
    `select ${namesOf(facts, 'v')}, array_remove(array[v.${tag}], null) || array(select t.tag from ${noun}_tags t
         where t.${noun}_id = v.${noun}_id and t.seq = v.seq and t.tag is distinct from v.${tag} order by t.tag) as tags,
       ${of.content(whole)} where v.${noun}_id = $1`
  const seqOfTag = (id: string, named: string) =>
    `coalesce((select t.seq from ${noun}_tags t where t.${noun}_id = ${id} and t.tag = ${named}),
      (select o.seq from ${noun}_versions o where o.${noun}_id = ${id} and left(o.${tag}, 200) = left(${named}, 200)
         and o.${tag} = ${named} order by o.seq desc limit 1))`
  const read = (row: object): Version => ({ ...(row as Version), ...of.read(row as Row<typeof facts & Of>) })
  const find = <By>(name: string, which: string) =>
    query(
      `find_${noun}_version_${name}`,
      row as Columns,
      `${select('true')} and ${which}`,
      (id: number, by: By) => [id, by],
      ([found]) => found && read(found),
    )
  return {
    list: query(
      `list_${noun}_versions`,
      row as Columns,
      `${select('$4')} and v.seq <= $2 order by v.seq desc limit $3`,
      (id: number, page: { from: number; limit: number; whole: boolean }) => [id, page.from, page.limit, page.whole],
      (rows) => rows.map(read),
    ),
    at: find('at', 'v.seq = $2'),
    byHash: find('by_hash', 'v.content_hash = $2 order by v.seq desc limit 1'),
    byTag: find('by_tag', `v.seq = ${seqOfTag('$1', '$2')}`),
    seqOfTag,
    setTag: change(
      `set_${noun}_tag`,
      `insert into ${noun}_tags (${noun}_id, tag, seq, author) values ($1, $2, $3, $4)
         on conflict (${noun}_id, tag) do update set seq = excluded.seq, author = excluded.author, created_at = now()`,
      (id: number, { tag, seq, author }: SetTag) => [id, tag, seq, author],
    ),
    removeTag: change(
      `remove_${noun}_tag`,
      `delete from ${noun}_tags where ${noun}_id = $1 and tag = $2 returning tag`,
      (id: number, tag: string) => [id, tag],
    ),
  }
}

const missing = (message: string) => new AppError('not_found', message)

/**
 * Finds a version by its index (`~n`), by its hash, by a tag, or else by its index without `~`.
 * `version` is the number of the newest one, or -1. Throws the 400 or 404.
 */
export const getVersion = async (
  queries: Queries,
  versions: Versions,
  { id, version: newest }: { id: number; version: number },
  ref: string,
): Promise<Version> => {
  if (newest < 0) throw missing('Entity has no version history')
  const byIndex = async (given: number) => {
    const seq = given < 0 ? newest + 1 + given : given
    const row = seq >= 0 && seq <= newest ? await versions.at(queries, id, seq) : undefined
    if (!row) throw missing(`Version index ${ref} out of range (0-${newest})`)
    return row
  }
  if (ref.startsWith('~')) {
    if (!/^~-?\d+$/.test(ref)) throw new AppError('bad_request', `Invalid version index: ${ref}`)
    return byIndex(Number(ref.slice(1)))
  }
  const isHash = /^[0-9a-f]{64}$/i.test(ref)
  const byHash = isHash ? await versions.byHash(queries, id, ref.toLowerCase()) : undefined
  const row = byHash ?? (await versions.byTag(queries, id, ref))
  if (!row && /^\d+$/.test(ref) && !isHash) return byIndex(Number(ref))
  if (!row) throw missing(`Version ${isHash ? 'hash' : 'tag'} '${ref}' not found`)
  return row
}
