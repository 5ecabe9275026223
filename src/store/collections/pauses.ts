import { oneAtATime } from '../../lib/at-a-time.ts'
import { AppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Queries } from '../database/database.ts'
import { bigint, json, orNull, query, queryOne } from '../database/table.ts'

/** Who paused a collection. Only the operator ends a pause of the operator. */
export type PausedBy = 'operator' | 'key'

/** A pause as it is stored. */
export interface StoredPause {
  author: string
  reason: string | null
  at: string
}

export type StoredPauses = Partial<Record<PausedBy, StoredPause>>

/** Pauses a collection. Returns all its pauses, or undefined if it is gone. */
export const pauseCollection = queryOne(
  'pause_collection',
  { pauses: json<StoredPauses>() },
  `update collections set pauses = coalesce(pauses, '{}') || jsonb_build_object($2::text,
     jsonb_build_object('author', $3::text, 'reason', $4::text, 'at', to_jsonb(now())))
   where id = $1 returning pauses`,
  (id: number, by: PausedBy, { author, reason }: Pick<StoredPause, 'author' | 'reason'>) => [id, by, author, reason],
  (row) => row?.pauses,
)

/** Ends one pause of a collection. Returns those that are left, or undefined if the collection is gone. */
export const resumeCollection = queryOne(
  'resume_collection',
  { pauses: orNull(json<StoredPauses>()) },
  `update collections set pauses = nullif(pauses - $2::text, '{}') where id = $1 returning pauses`,
  (id: number, by: PausedBy) => [id, by],
  (row) => row && (row.pauses ?? {}),
)

export const readPauses = queryOne(
  'read_pauses',
  { pauses: orNull(json<StoredPauses>()) },
  'select pauses from collections where id = $1',
  (id: number) => [id],
  (row) => row?.pauses ?? {},
)

const findPaused = query(
  'paused_collections',
  { id: bigint, pauses: json<StoredPauses>() },
  'select id, pauses from collections where pauses is not null',
)

/** The paused collections, as this process knows them. */
export interface Pauses {
  has(collectionId: number): boolean
  /** Throws `paused` if new work of the collection is refused. */
  require(collectionId: number): void
  /** Reads them now. */
  refresh(): Promise<void>
  /** Calls back when a collection may have been resumed. */
  onResume(react: () => void): void
  stop(): void
}

/** Notifications may get lost with their connection. */
const refreshMs = 15_000

/** Keeps the paused collections in memory. Call `refresh` when collections may have changed. */
export const makePauses = (queries: Queries, log: Logger): Pauses => {
  let paused: ReadonlyMap<number, StoredPauses> = new Map()
  const reactions: (() => void)[] = []

  const read = async (): Promise<void> => {
    const rows = await findPaused(queries)
    const before = paused
    paused = new Map(rows.map(({ id, pauses }) => [id, pauses]))
    if ([...before.keys()].some((id) => !paused.has(id))) for (const react of reactions) react()
  }
  const readLater = oneAtATime(() => read().catch((error) => log.debug({ err: error }, 'pauses not read')))
  const timer = setInterval(readLater, refreshMs)
  timer.unref()

  return {
    has: (collectionId) => paused.has(collectionId),
    require(collectionId) {
      const pauses = paused.get(collectionId)
      if (pauses) throw refusal(pauses)
    },
    refresh: read,
    onResume: (react) => void reactions.push(react),
    stop: () => clearInterval(timer),
  }
}

const refusal = ({ operator, key }: StoredPauses): AppError => {
  const { author, reason } = operator ?? key ?? { author: 'somebody', reason: null }
  const who = operator ? 'the operator of the server' : author
  return new AppError('paused', `The collection was paused by ${who}${reason ? `: ${reason}` : ''}`, {
    hint: operator
      ? 'Ask the operator to resume it. Runs that were accepted before go on then.'
      : 'Resume it with: jetty collections resume <collection>. Runs that were accepted before go on then.',
  })
}
