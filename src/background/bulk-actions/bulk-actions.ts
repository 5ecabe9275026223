import { type Engine, RunExists, type RunRequest } from '../../engine/engine.ts'
import { isDatabaseUnavailable, messageOf, toAppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import {
  type LabelChange,
  mostRunsOfAction,
  type RerunChange,
  type UnlabelChange,
} from '../../model/runs/bulk-action.ts'
import {
  endedChildrenOf,
  type RetentionDeps,
  removableAmong,
  removeEndedRuns,
} from '../../store/collections/expired-runs.ts'
import type { Database, Queries } from '../../store/database/database.ts'
import { RemovalFailed } from '../../store/objects/removal.ts'
import {
  type BulkActionRow,
  claimBulkAction,
  findBulkAction,
  isAnyBulkActionDue,
  mayStillWrite,
  stopBulkAction,
} from '../../store/runs/bulk/bulk-actions.ts'
import {
  type BulkPart,
  type BulkResult,
  type BulkRun,
  changedByBulk,
  noteBulkPart,
  notedRuns,
  openAmong,
  putOffBulkPart,
  settleBulkPart,
} from '../../store/runs/bulk/bulk-parts.ts'
import {
  type ChosenRun,
  type CollectionRunFilter,
  chooseRunsAfter,
  chosenByKey,
  noCollectionFilter,
} from '../../store/runs/collection-runs.ts'
import { type FormerLabel, type LabelChanges, labelsOfKey } from '../../store/runs/labels.ts'
import type { RunCursor } from '../../store/runs/lists/run-order.ts'
import { findRunByKey, type RunRow } from '../../store/runs/runs.ts'

export interface BulkActionDeps extends RetentionDeps {
  database: Database
  engine: Pick<Engine, 'start' | 'requestEnd' | 'lookFor'>
  labels: LabelChanges
  mostLabels: number
  /** Makes the request that repeats a run. Throws when the run cannot be repeated. */
  rerunOf(source: RunRow, change: RerunChange, author: string): Promise<RunRequest>
  /** Milliseconds since 1970. */
  clock(): number
  log: Logger
}

/** Key of the run that an action starts: whichever process starts it, it exists once. */
const rerunKey = (action: string, n: number): string => `bulk/${action}/${n}`

const rerunOne = async (deps: BulkActionDeps, action: BulkActionRow, run: BulkRun): Promise<BulkResult | 'later'> => {
  const { n } = run
  const key = rerunKey(action.id, n)
  try {
    const source = await findRunByKey(deps.database, run.run_id)
    if (!source) return { n, outcome: 'skipped' }
    const request = await deps.rerunOf(source, JSON.parse(action.change) as RerunChange, action.author)
    const params = { ...request.params, bulk: { bulk_id: action.id } }
    const started = await deps.engine.start({ ...request, params, key, unservable: 'record' })
    return { n, outcome: 'done', newTrajectoryId: started.trajectoryId }
  } catch (error) {
    if (error instanceof RunExists) {
      const there = await findRunByKey(deps.database, key)
      return there ? { n, outcome: 'done', newTrajectoryId: there.trajectory_id } : 'later'
    }
    const { code, retryable } = toAppError(error)
    if (retryable) return 'later'
    return { n, outcome: 'failed', error: code === 'internal' ? 'An error of the server' : messageOf(error) }
  }
}

/**
 * Repeats runs, one after the other. Ends early where the server has no room for more runs: the results then end with
 * the last run that was repeated.
 */
const rerunRuns = async (
  deps: BulkActionDeps,
  action: BulkActionRow,
  runs: readonly BulkRun[],
): Promise<BulkResult[]> => {
  const results: BulkResult[] = []
  for (const run of runs) {
    const result = await rerunOne(deps, action, run)
    if (result === 'later') break
    results.push(result)
  }
  return results
}

/** Runs below those of a part that one attempt deletes; the part goes on with the rest a moment later. */
const mostBelow = 2_000
const atOnce = 500

/** Deletes what runs started, the deepest first. Returns how many more may be deleted; below 0 where some are left. */
const deleteBelow = async (
  deps: BulkActionDeps,
  collectionId: number,
  parents: readonly string[],
  room: number,
): Promise<number> => {
  for (let left = room; ; ) {
    const children = await endedChildrenOf(deps.database, parents, atOnce)
    if (children.length === 0) return left
    left = await deleteBelow(deps, collectionId, children, left)
    if (left < children.length) return -1
    const { kept, failure } = await removeEndedRuns(deps.database, collectionId, children, deps.objects)
    if (kept.length > 0) throw failure
    left -= children.length
  }
}

/**
 * Deletes ended runs with their files and with the runs that they started. A run that is open, or that an open one still
 * reads, is refused. Ends early where a run started very many others: the results then end with the last run that is gone.
 */
const deleteRuns = async (
  deps: BulkActionDeps,
  action: BulkActionRow,
  runs: readonly BulkRun[],
): Promise<BulkResult[]> => {
  const { collection_id: collectionId } = action
  const found = await removableAmong(
    deps.database,
    runs.map((run) => run.run_id),
  )
  const results: BulkResult[] = []
  let room = mostBelow
  for (const { n, run_id: runKey } of runs) {
    const state = found.get(runKey)
    if (state === 'open') {
      results.push({
        n,
        outcome: 'failed',
        error: 'It has not ended, or an open run still reads it: cancel that first',
      })
      continue
    }
    if (state === 'ended') {
      try {
        room = await deleteBelow(deps, collectionId, [runKey], room)
        if (room < 0) break
        const { failure } = await removeEndedRuns(deps.database, collectionId, [runKey], deps.objects)
        if (failure) throw failure
      } catch (error) {
        if (!(error instanceof RemovalFailed)) throw error
        results.push({ n, outcome: 'failed', error: 'Its files cannot be deleted now: the storage does not answer' })
        continue
      }
    }
    results.push({ n, outcome: 'done' }) // gone: by an earlier attempt, or with a run that started it
  }
  return results
}

type Author = Pick<BulkActionRow, 'author' | 'recorded_by'>

const settled = (n: number, isDone: boolean): BulkResult => ({ n, outcome: isDone ? 'done' : 'skipped' })

/** Sets a label on runs; a run that has it already, set by the same author, is skipped. */
const labelRuns = (
  { labels, mostLabels }: BulkActionDeps,
  { key, value }: LabelChange,
  { author, recorded_by }: Author,
  runs: readonly BulkRun[],
): Promise<BulkResult[]> =>
  Promise.all(
    runs.map(async ({ n, run_id, labels: before }): Promise<BulkResult> => {
      if (formerOf(before).some((label) => label.value === value)) return settled(n, false)
      const set = await labels.set({ runId: run_id, key, value, author, recordedBy: recorded_by })
      return set ? settled(n, true) : { n, outcome: 'failed', error: `A run has at most ${mostLabels} labels` }
    }),
  )

/** Removes a key from runs, by whomever it was set. */
const unlabelRuns = (
  { labels }: BulkActionDeps,
  { key }: UnlabelChange,
  runs: readonly BulkRun[],
): Promise<BulkResult[]> =>
  Promise.all(
    runs.map(async ({ n, run_id, labels: before }) => {
      if (before === null) return settled(n, false)
      await labels.remove({ runId: run_id, key, author: undefined })
      return settled(n, true)
    }),
  )

const formerOf = (text: string | null): FormerLabel[] => (text === null ? [] : (JSON.parse(text) as FormerLabel[]))

/** Restores labels as they were before an action. Runs whose labels of the key were changed since are skipped. */
const restoreLabels = async (
  { database, labels }: BulkActionDeps,
  undone: Pick<BulkActionRow, 'action' | 'change' | 'author'>,
  runs: readonly BulkRun[],
): Promise<BulkResult[]> => {
  const { key, value } = JSON.parse(undone.change) as LabelChange
  const author = undone.action === 'label' ? undone.author : undefined
  const now = await labelsOfKey(database, { runKeys: runs.map((run) => run.run_id), key, author })
  return Promise.all(
    runs.map(async ({ n, run_id, labels: before }) => {
      const current = now.get(run_id) ?? []
      const isAsLeft = undone.action === 'label' ? current[0]?.value === value : current.length === 0
      if (!isAsLeft) return settled(n, false)
      const former = formerOf(before)
      for (const one of former) {
        await labels.set({ runId: run_id, key, ...one, recordedBy: one.recorded_by ?? 'not known' })
      }
      if (former.length === 0) await labels.remove({ runId: run_id, key, author })
      return settled(n, true)
    }),
  )
}

/** The next part of an action, with its runs. */
interface ChosenPart extends BulkPart {
  runs: Omit<BulkRun, 'labels'>[]
}

/** Maximum number of runs of one part. */
const runsOfPart = 50

const asRuns = (chosen: readonly ChosenRun[], from: number) =>
  chosen.map(({ id, trajectory_id, name }, at) => ({
    n: from + at,
    run_id: id,
    trajectory_id,
    task: name.slice(name.indexOf('/') + 1),
  }))

const ofNamed = async (queries: Queries, { chosen, taken }: BulkActionRow): Promise<ChosenPart> => {
  const keys = JSON.parse(chosen ?? '[]') as string[]
  const some = keys.slice(taken, taken + runsOfPart)
  const found = new Map((await chosenByKey(queries, some)).map((run) => [run.id, run]))
  const runs = some.flatMap((key, at) => {
    const run = found.get(key)
    return run ? asRuns([run], taken + at) : []
  })
  return { runs, taken: some.length, position: taken + some.length < keys.length ? '{}' : null }
}

const ofFilter = async (queries: Queries, action: BulkActionRow): Promise<ChosenPart> => {
  const { collection_id: collectionId, filter, position, taken } = action
  const wanted: CollectionRunFilter = { ...noCollectionFilter, ...JSON.parse(filter ?? '{}') }
  const after = position === null ? undefined : (JSON.parse(position) as RunCursor)
  const limit = Math.min(runsOfPart, mostRunsOfAction - taken)
  const page = await chooseRunsAfter(queries, collectionId, wanted, { limit, after })
  const isFull = taken + page.runs.length >= mostRunsOfAction
  return {
    runs: asRuns(page.runs, taken),
    taken: page.runs.length,
    position: page.next && !isFull ? JSON.stringify(page.next) : null,
  }
}

const ofUndone = async (queries: Queries, undone: string, { position, taken }: BulkActionRow): Promise<ChosenPart> => {
  const from = position === null ? 0 : (JSON.parse(position) as { n: number }).n
  const runs = await changedByBulk(queries, undone, from, runsOfPart)
  const last = runs.at(-1)
  return {
    runs: runs.map((run, at) => ({ ...run, n: taken + at })),
    taken: runs.length,
    position: last && runs.length === runsOfPart ? JSON.stringify({ n: last.n + 1 }) : null,
  }
}

/** Chooses the next part of an action. */
const choosePart = (queries: Queries, action: BulkActionRow): Promise<ChosenPart> => {
  if (action.undo_of !== null) return ofUndone(queries, action.undo_of, action)
  return action.filter === null ? ofNamed(queries, action) : ofFilter(queries, action)
}

/** How long a part waits for runs to end. Rows that the journal is writing are asked again meanwhile. */
const waitSeconds = 1
/** Milliseconds after which the rest of a part is tried, such as reruns for which the server had no room. */
const putOffMs = 1_000

const cancelRuns = async ({ database, engine }: BulkActionDeps, runs: readonly BulkRun[]): Promise<BulkResult[]> => {
  const open = new Set(
    await openAmong(
      database,
      runs.map((run) => run.run_id),
    ),
  )
  if (open.size > 0) await engine.requestEnd([...open], 'cancelled', waitSeconds)
  return runs.map(({ n, run_id }) => ({ n, outcome: open.has(run_id) ? 'done' : 'skipped' }))
}

const undoRuns = async (
  deps: BulkActionDeps,
  action: BulkActionRow,
  runs: readonly BulkRun[],
): Promise<BulkResult[]> => {
  const undone = action.undo_of && (await findBulkAction(deps.database, action.collection_id, action.undo_of))
  if (!undone) return runs.map(({ n }) => ({ n, outcome: 'skipped' }))
  return restoreLabels(deps, undone, runs)
}

/** The work of each kind of action on the runs of a part. Repeating it changes nothing more. */
const kinds: Record<
  BulkActionRow['action'],
  (deps: BulkActionDeps, action: BulkActionRow, runs: readonly BulkRun[]) => Promise<BulkResult[]>
> = {
  label: (deps, action, runs) => labelRuns(deps, JSON.parse(action.change) as LabelChange, action, runs),
  unlabel: (deps, action, runs) => unlabelRuns(deps, JSON.parse(action.change) as UnlabelChange, runs),
  cancel: (deps, _, runs) => cancelRuns(deps, runs),
  rerun: rerunRuns,
  delete: deleteRuns,
  undo: undoRuns,
}

/** Labels of the key that an action changes, by run; an undo uses those that the undone action noted. */
const labelsBefore = async (
  { database }: BulkActionDeps,
  action: BulkActionRow,
  runs: readonly (Omit<BulkRun, 'labels'> & { labels?: string | null })[],
): Promise<BulkRun[]> => {
  if (action.action !== 'label' && action.action !== 'unlabel') {
    return runs.map((run) => ({ ...run, labels: run.labels ?? null }))
  }
  const { key } = JSON.parse(action.change) as UnlabelChange
  const author = action.action === 'label' ? action.author : undefined
  const found = await labelsOfKey(database, { runKeys: runs.map((run) => run.run_id), key, author })
  return runs.map((run) => {
    const labels = found.get(run.run_id)
    return { ...run, labels: labels ? JSON.stringify(labels) : null }
  })
}

/** The part that was noted before, or the next one, noted now. */
const partOf = async (deps: BulkActionDeps, action: BulkActionRow): Promise<{ part: BulkPart; runs: BulkRun[] }> => {
  const { database } = deps
  const { id, taken } = action
  const noted = async (part: BulkPart) => ({ part, runs: await notedRuns(database, id, taken, taken + part.taken) })
  if (action.part !== null) return noted(JSON.parse(action.part))
  const { runs: chosen, ...part } = await choosePart(database, action)
  await noteBulkPart(database, action, part, await labelsBefore(deps, action, chosen))
  return noted(part)
}

/** Carries out the next part of a claimed action, or the one under way when its process died. */
const carryOutPart = async (deps: BulkActionDeps, action: BulkActionRow): Promise<void> => {
  const { database } = deps
  if (!(await mayStillWrite(database, action))) {
    await stopBulkAction(database, action.id, 'The key that asked for it may no longer write here')
    return
  }
  const { part, runs } = await partOf(deps, action)
  const results = await kinds[action.action](deps, action, runs)
  if (results.length < runs.length) await putOffBulkPart(database, action, putOffMs)
  else await settleBulkPart(database, action, part, results)
}

interface BulkActions {
  /** Looks for due parts now, without waiting for a heartbeat. */
  wake(): void
  /** Starts no further part; resolves when the one under way has ended. */
  stop(): Promise<void>
}

/** Carries out actions on many runs, part by part, whenever a heartbeat reports a due one. */
export const keepActing = (deps: BulkActionDeps): BulkActions => {
  const { database, engine, clock, log } = deps
  const stopping = new AbortController()
  let acting: Promise<void> | undefined

  const actAll = async () => {
    while (!stopping.signal.aborted) {
      const action = await claimBulkAction(database, new Date(clock()))
      if (!action) return
      await carryOutPart(deps, action)
    }
  }
  /** A claimed part is claimed again when its claim has expired. */
  const complain = (err: unknown): void =>
    log[isDatabaseUnavailable(err) ? 'debug' : 'error']({ err }, 'an action on many runs was put off')
  const wake = () => {
    if (stopping.signal.aborted) return
    acting ??= actAll()
      .catch(complain)
      .finally(() => {
        acting = undefined
      })
  }

  engine.lookFor({ condition: isAnyBulkActionDue, now: () => new Date(clock()), onSeen: wake })
  return {
    wake,
    async stop() {
      stopping.abort()
      await acting
    },
  }
}
