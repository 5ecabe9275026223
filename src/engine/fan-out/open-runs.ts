import { AppError } from '../../lib/errors.ts'
import type { Queries } from '../../store/database/database.ts'
import { int, queryOne } from '../../store/database/table.ts'
import { openBelowKeys, rootKey } from '../leases/run-keys.ts'
import type { StepRun } from '../steps/step-run.ts'

/** Runs that may still be started below one root or in one collection, as far as this process knows. */
interface Room {
  left: number
  /** Whether the last count found no room. Otherwise `left` is a lower bound. */
  isFull: boolean
  /** `performance.now()` from which on the database is counted again. */
  untilMs: number
}

/** A run about to start child runs. */
type Starting = Pick<StepRun, 'key' | 'depth' | 'collection' | 'collectionId'>

export interface OpenRunLimits {
  /** Maximum open runs below one root. */
  maxOpenBelow: number
  /** Maximum open child runs in one collection. */
  maxOpenStarted: number
}

/** Limits the open child runs below one root, and in one collection. */
export interface OpenRuns {
  /** Counts open runs in the database if the cached count has expired. */
  look(run: Starting): Promise<void>
  /** Number of runs that may start now. Call it right before `take`: others may take some in between. */
  left(run: Starting): number
  /** Reserves room for runs about to be written. Returns the function to call when they are, or when writing failed. */
  take(run: Starting, count: number): () => void
  /** Error of a step that cannot start any run because a limit is reached; undefined when it only has to wait. */
  refusal(run: Starting): AppError | undefined
}

/** A count is valid for a short time and for a part of the room it found, since other processes start runs too. */
const partOfRoom = 4
const smallRoom = 250
const roomForMs = 2_000
const noRoomForMs = 250
const mostRemembered = 1_000

/** Counts no further than the limit, which takes at most some ten milliseconds. */
const countStatement = `
  select
    (select count(*) from (select from ${openBelowKeys('id', 'array[$1::text]', 'null::int')} r limit $2) found)::int below,
    (select count(*) from (
       select from runs where collection_id = $3 and parent_id is not null and ended_at is null limit $4) found)::int started`

const countOpenRuns = queryOne(
  'count_open_runs',
  { below: int, started: int },
  countStatement,
  (root: string, mostBelow: number, collectionId: number, mostStarted: number) => [
    root,
    mostBelow,
    collectionId,
    mostStarted,
  ],
)

export const makeOpenRuns = (database: Queries, { maxOpenBelow, maxOpenStarted }: OpenRunLimits): OpenRuns => {
  const below = new Map<string, Room>()
  const started = new Map<number, Room>()
  /** Runs being written, by root or collection, which a count does not see yet. */
  const starting = new Map<string | number, number>()
  let counting: Promise<void> | undefined

  const isKnown = (room: Room | undefined): boolean =>
    room !== undefined && performance.now() < room.untilMs && (room.left > 0 || room.isFull)
  const roomOf = (limit: number, open: number, startingThen: number): Room => {
    const free = Math.max(0, limit - open - startingThen)
    const left = Math.max(Math.ceil(free / partOfRoom), Math.min(free, smallRoom))
    return { left, isFull: open >= limit, untilMs: performance.now() + (left > 0 ? roomForMs : noRoomForMs) }
  }

  const count = async (run: Starting): Promise<void> => {
    const root = rootKey(run)
    const asksBelow = !isKnown(below.get(root))
    const asksStarted = !isKnown(started.get(run.collectionId))
    const [startingBelow, startingHere] = [starting.get(root) ?? 0, starting.get(run.collectionId) ?? 0]
    const open = await countOpenRuns(
      database,
      root,
      asksBelow ? maxOpenBelow : 0,
      run.collectionId,
      asksStarted ? maxOpenStarted : 0,
    )
    forgetOld()
    if (asksBelow) below.set(root, roomOf(maxOpenBelow, open?.below ?? 0, startingBelow))
    if (asksStarted) started.set(run.collectionId, roomOf(maxOpenStarted, open?.started ?? 0, startingHere))
  }

  const forgetOld = (): void => {
    for (const rooms of [below, started] as Map<unknown, Room>[]) {
      if (rooms.size < mostRemembered) continue
      for (const [key, room] of rooms) if (!isKnown(room)) rooms.delete(key)
    }
  }

  const roomsOf = (run: Starting): (Room | undefined)[] => [below.get(rootKey(run)), started.get(run.collectionId)]
  const leftOf = (run: Starting): number => Math.min(...roomsOf(run).map((room) => room?.left ?? 0))

  return {
    async look(run) {
      while (counting) await counting // two concurrent counts would each grant the same room
      if (!roomsOf(run).every(isKnown)) {
        counting = count(run).finally(() => {
          counting = undefined
        })
        await counting
      }
    },
    left: leftOf,
    take(run, taken) {
      for (const room of roomsOf(run)) if (room) room.left = Math.max(0, room.left - taken)
      const change = (by: number) => {
        for (const key of [rootKey(run), run.collectionId]) {
          const now = (starting.get(key) ?? 0) + by
          if (now > 0) starting.set(key, now)
          else starting.delete(key)
        }
      }
      change(taken)
      return () => change(-taken)
    },
    refusal(run) {
      const isRootFull = below.get(rootKey(run))?.isFull === true
      if (!isRootFull && started.get(run.collectionId)?.isFull !== true) return undefined
      const [where, limit, variable] = isRootFull
        ? ['below the run at the top of this tree', maxOpenBelow, 'JETTY_MAX_OPEN_RUNS_BELOW']
        : [`in collection '${run.collection}' that runs have started`, maxOpenStarted, 'JETTY_MAX_OPEN_RUNS_STARTED']
      return new AppError('too_large', `No more runs can be started: ${limit} are open ${where}`, {
        hint: `Lower max_concurrency, nest fewer levels, or raise ${variable}.`,
      })
    },
  }
}
