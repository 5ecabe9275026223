import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ChildRun } from '../../activities/activity.ts'
import type { NewRun } from '../../model/runs/new-run.ts'
import type { Quota } from '../../store/collections/quota.ts'
import { RunExists } from '../engine.ts'
import type { Environment } from '../environment/environment.ts'
import type { Environments } from '../environment/environments.ts'
import type { Journal } from '../journal/journal.ts'
import { TrajectoryIdTaken } from '../journal/journal-sender.ts'
import type { EndedRecords, UnwrittenRuns } from '../journal/unwritten-runs.ts'
import { interruptAll } from '../leases/run-under-lease.ts'
import type { Program } from '../program/program.ts'
import { type LiveRun, newLiveRun } from '../runs/live-run.ts'
import { carryOn } from '../runs/run.ts'
import type { RunDeps } from '../runs/run-deps.ts'
import type { StepRun } from '../steps/step-run.ts'
import type { ChildKind } from './fan-out-child.ts'
import { shownError } from './fan-out-sql.ts'
import type { FanOut } from './fan-out-state.ts'
import type { FanOutWatch } from './fan-out-watch.ts'

/** Maximum runs that have ended and are being written: a commit under way, and the next. Later records of the collection wait behind them. */
const mostWriting = 1_000
/** Runs that take no time at all would let nothing else of the process have a turn. */
const longestTurnMs = 5

/** Lets the rest of the process have its turn beside runs that are carried out here. */
interface Pace {
  /** Counts a run that has ended as long as it is being written. */
  written(writing: Promise<void>): Promise<void>
  /** Resolves when the next run may begin: others get their turn, and commits of the same collection theirs. */
  turn(): Promise<void>
}

const makeChildrenPace = (): Pace => {
  let since = performance.now()
  let turn: Promise<void> | undefined
  let room: Promise<void> | undefined
  let makeRoom = () => {}
  let count = 0
  return {
    async written(writing) {
      count++
      await writing
      if (--count >= mostWriting) return
      room = undefined
      makeRoom()
    },
    async turn() {
      for (;;) {
        if (count >= mostWriting) {
          room ??= new Promise((resolve) => {
            makeRoom = resolve
          })
          await room
        } else if (performance.now() - since > longestTurnMs) {
          turn ??= nextTurn().then(() => {
            since = performance.now()
            turn = undefined
          })
          await turn
        } else return
      }
    },
  }
}

/** Maximum text of a result that is kept for the steps that gather results. */
const longestResult = 16 * 1024
/** Memory that the kept results of one run take at most: some 20,000 small ones. */
const mostBytes = 16 * 1024 * 1024
/** Memory of a kept result in multiples of its text, and beside it. */
const timesItsText = 3
const bytesBeside = 500

/** Keeps the result of a child run for the steps of its parent that gather results, as long as there is memory for it. */
const keepChildResult = (
  { live, memory }: RunDeps,
  { key }: StepRun,
  { born, step: last, end }: EndedRecords,
): void => {
  const { trajectoryId, initParams } = born.run
  const all = last ? [...born.before, last] : born.before
  const parent = live.get(key)
  if (!parent || all.some(({ inputsPayload, outputsPayload }) => inputsPayload ?? outputsPayload)) return
  const steps = all.map(({ name, status, inputs, outputs, error }) => ({ name, status, inputs, outputs, error }))
  const texts = steps.reduce(
    (length, { inputs, outputs, error }) =>
      length + (inputs?.length ?? 0) + (outputs?.length ?? 0) + (error?.length ?? 0),
    initParams.length,
  )
  const bytes = timesItsText * texts + bytesBeside
  if (texts > longestResult || parent.heldBytes + bytes > mostBytes || !memory.tryTake(bytes)) return
  parent.heldBytes += bytes
  parent.childResults ??= new Map()
  parent.childResults.set(trajectoryId, { status: end.status, init_params: initParams, steps })
}

/** A run that was written when it had ended, as the step that started it sees it. */
const endedChild = (index: number, { born: { run }, end: { status, error } }: EndedRecords): ChildRun => ({
  trajectory_id: run.trajectoryId,
  name: run.name,
  status,
  index,
  error: error?.slice(0, shownError) ?? null,
})

/** Dependencies of carrying out child runs before they are written. */
export interface ChildrenHereDeps {
  /** Executes runs with the journal of `unwritten`. */
  runs(): RunDeps
  unwritten: UnwrittenRuns
  journal: Pick<Journal, 'add'>
  environments: Pick<Environments, 'of'>
  quota: Pick<Quota, 'add'>
  watch: FanOutWatch
  /** Makes the run of an index. */
  makeRun(fanOut: FanOut, index: number): NewRun
}

/**
 * Carries out child runs without effects in the memory of the process that has their parent, and writes each of them once,
 * when it has ended. Writing a run twice, before it begins and when it ends, takes Postgres 2.3 times as long. If the
 * process dies, the runs that it had not written are made again by the next owner of the parent, with the same keys.
 */
export interface ChildrenHere {
  /**
   * Begins the runs of some indices, `share` of them at once. Calls `done` when each of them is written, or given back to be
   * started again.
   */
  begin(fanOut: FanOut, lease: { id: string; share: number }, indices: number[], done: () => void): void
  /** How many more may be carried out here. */
  readonly room: number
}

/** Maximum runs of all fan-outs that have begun here, or are to. */
const mostHere = 4_000
/** Longer `init_params` are written first: with 2,000 runs that are being written, these are 8 MB. */
const longestInitParams = 4 * 1024
/** Trajectory ids that may be taken: of 10,000 runs beside 100,000 others it happens to one in four times. */
const mostClashes = 10
/** Runs of a fan-out that are listed from memory in the end; of a larger one they are read. */
const mostListed = 12_000
/** Maximum steps: all of them are written at once. */
const mostSteps = 10

/**
 * Whether the first owner of a step carries out its runs here. After a takeover they are written before they begin, so that
 * deaths of the process are counted for the run that caused them.
 */
export const mayBeHere = (run: StepRun, kind: ChildKind, labels: Record<string, string>): boolean =>
  run.depth === 0 && // below it, runs are ended by their rows
  kind.secrets === null &&
  kind.placement === null &&
  Object.keys(labels).length === 0 &&
  isWithoutEffects(kind.program)

const isWithoutEffects = ({ steps, isParallel, isSteered, callbackSteps }: Program): boolean =>
  !isParallel &&
  !isSteered &&
  callbackSteps.length === 0 &&
  steps.length <= mostSteps &&
  steps.every(
    ({ activity: { pure, module }, options: { retry, cache } }) => pure && module === undefined && !retry && !cache,
  )

export const makeChildrenHere = (deps: ChildrenHereDeps): ChildrenHere => {
  const pace = makeChildrenPace()
  let here = 0

  const begin = async (fanOut: FanOut, { id, share }: { id: string; share: number }, indices: number[]) => {
    const { collectionId, key } = fanOut.work.run
    const environment = await deps.environments.of(fanOut.kind.environmentId, null, key).catch(() => undefined)
    const usage = { runs: 0, databaseBytes: 0 }
    const written: Promise<void>[] = []
    const keepOn = async (): Promise<void> => {
      for (let index = indices.pop(); index !== undefined; index = indices.pop()) {
        await pace.turn()
        const whole =
          environment &&
          !isOver(deps, fanOut) &&
          (await carryOut(deps, fanOut, index, environment).catch(() => undefined))
        if (!whole) giveBack(fanOut, index)
        else written.push(pace.written(write(deps, fanOut, { lease: id, index, whole, usage })))
      }
    }
    await Promise.all(Array.from({ length: share }, keepOn))
    await Promise.all(written)
    deps.quota.add(collectionId, usage)
    deps.watch.leaseIsDone(id)
  }

  return {
    get room() {
      return mostHere - here
    },
    begin(fanOut, lease, indices, done) {
      const { underWay } = fanOut.here
      const count = indices.length
      here += count
      const begun = begin(fanOut, lease, indices.reverse()).finally(() => {
        here -= count
        underWay.delete(begun)
        done()
      })
      underWay.add(begun)
    },
  }
}

/** The run is started again, by way of the queue. */
const giveBack = ({ here, ahead }: FanOut, index: number): void => {
  here.isOn = false
  ahead.missing.push(index)
}

/** Executes a run. Undefined if it has not ended. */
const carryOut = async (
  { runs, unwritten, makeRun }: ChildrenHereDeps,
  fanOut: FanOut,
  index: number,
  environment: Environment,
): Promise<EndedRecords | undefined> => {
  const { work, kind, here } = fanOut
  const made = makeRun(fanOut, index)
  if (made.initParams.length > longestInitParams) return undefined
  const run = liveChild(work.run, kind.program, made, environment)
  here.live.add(run)
  unwritten.begin({
    run: made,
    parentKey: work.run.key,
    onSlow() {
      here.isOn = false // whoever looks sees the runs that take long, and other processes get some
    },
  })
  await carryOn(runs(), work.lease, run)
  here.live.delete(run)
  const whole = unwritten.end(made.key)
  if (whole && whole.end.status !== 'completed') here.hasFailed = true
  return whole
}

interface Writing {
  lease: string
  index: number
  whole: EndedRecords
  /** What is written is added to it. */
  usage: { runs: number; databaseBytes: number }
}

const write = async (
  { runs, journal, watch }: ChildrenHereDeps,
  fanOut: FanOut,
  { lease, index, whole, usage }: Writing,
): Promise<void> => {
  const { end, born } = whole
  try {
    await journal.add(whole)
  } catch (error) {
    if (error instanceof RunExists) watch.ended(lease, 'completed')
    else if (error instanceof TrajectoryIdTaken && fanOut.here.clashes++ < mostClashes) fanOut.ahead.missing.push(index)
    else giveBack(fanOut, index)
    return
  }
  usage.runs++
  usage.databaseBytes += Buffer.byteLength(born.run.initParams)
  keepChildResult(runs(), fanOut.work.run, whole)
  if (fanOut.wanted.runs.count <= mostListed) fanOut.here.ended.set(index, endedChild(index, whole))
  watch.ended(lease, end.status)
}

const liveChild = (parent: StepRun, program: Program, made: NewRun, environment: Environment): LiveRun =>
  newLiveRun(made, {
    collection: parent.collection,
    task: made.name.slice(parent.collection.length + 1),
    program,
    heldBytes: 0,
    environment,
    depth: parent.depth + 1,
    replayOf: null,
    refusal: null,
    branchState: undefined,
  })

/** Whether no further run of the step begins. */
const isOver = ({ runs }: ChildrenHereDeps, { here, waiting, work: { run, lease } }: FanOut): boolean =>
  runs().stopping.aborted ||
  here.isClosed ||
  lease.lost === true ||
  run.requested !== undefined ||
  run.failure !== undefined ||
  (waiting.asksForFailure && (waiting.failed || here.hasFailed))

/** Ends the runs of a fan-out that are carried out here, and begins no more of them. */
export const closeHere = ({ here }: FanOut): void => {
  here.isOn = false
  here.isClosed = true
  for (const run of here.live) {
    run.requested ??= 'cancelled'
    interruptAll(run)
  }
}
