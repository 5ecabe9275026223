import type { ChildRun, WaitForRuns } from '../../activities/activity.ts'
import type { Bell } from '../../lib/bell.ts'
import type { LiveRun } from '../runs/live-run.ts'
import type { StepAtWork } from '../steps/step-at-work.ts'
import type { ChildKind } from './fan-out-child.ts'
import type { Waiting } from './waiting-steps.ts'

/** A fan-out in progress. */
export interface FanOut {
  work: StepAtWork
  wanted: WaitForRuns
  kind: ChildKind
  ahead: Ahead
  waiting: Waiting
  bell: Bell
  /** Whether an ancestor was asked to end; undefined until checked. */
  isAskedAbove: boolean | undefined
  /** When (`performance.now()`) its child runs were first asked to end. */
  endingSinceMs: number | undefined
  /**
   * Time (`performance.now()`) from which the limits have left no room for more runs; undefined if the last check found
   * room.
   */
  fullSinceMs: number | undefined
  here: Here
}

/** The runs of a fan-out that are carried out here before they are written. */
interface Here {
  /** Whether the next ones are. */
  isOn: boolean
  /** Nothing more begins. */
  isClosed: boolean
  /** Whether one of them has failed or was cancelled, and may not be written yet. */
  hasFailed: boolean
  /** Runs that could not be written because another run has their trajectory id. */
  clashes: number
  live: Set<LiveRun>
  underWay: Set<Promise<void>>
  /** Those that are written, by index. */
  ended: Map<number, ChildRun>
}

/** Indices of runs still to start: first those that an earlier attempt skipped, then all others. */
interface Ahead {
  missing: number[]
  next: number
  count: number
}

export const remaining = ({ missing, next, count }: Ahead): number => missing.length + count - next

export const takeIndex = (ahead: Ahead): number => ahead.missing.shift() ?? ahead.next++

/** Interval of repeated requests to end, and of checks for room. */
export const askAgainMs = 500
