import type { Trial } from '../../model/runs/trial.ts'
import type { Environment } from '../environment/environment.ts'
import type { ReadableRun } from '../journal/read-runs.ts'
import type { RunUnderLease } from '../leases/run-under-lease.ts'
import type { BranchState } from '../program/branch-state.ts'
import type { Program, ProgramStep } from '../program/program.ts'

/** A run as its steps see it. Steps change only members that are not `readonly`. */
export interface StepRun extends Readonly<RunUnderLease> {
  readonly trajectoryId: string
  readonly collectionId: number
  /** Who pays for its collection: a run is the owner of its work. */
  readonly payer: number
  readonly taskId: number
  readonly collection: string
  readonly task: string
  readonly author: string
  readonly program: Program
  readonly environment: Environment
  /** Key of the run whose recorded results a replay takes. */
  readonly replayOf: string | null
  /** The trace that its caller is part of: see `readTrace`. */
  readonly trace: string | null
  /** `batch`: chats of its steps wait for the batch interface of their provider, unless a step says otherwise. */
  readonly economy: string | null
  /** Set where the run tries another version: steps that write take recorded results. */
  readonly trial: Trial | null
  /** Deaths of the process at the step that the run is at. */
  readonly deaths: number
  /** The decisions of branches and loops, or in parallel execution the steps that have ended. */
  readonly branchState: BranchState | undefined
  /** Number of steps under way in parallel execution. */
  readonly underWay: number
  /** The first step that failed while others were executing. */
  readonly failure: StepFailure | undefined

  /** Undefined while they are large: then each step reads them within its own share of memory. */
  initParams: Record<string, unknown> | undefined
  /** Bytes of their text, if it must be read. */
  readonly initParamsBytes: number
  /** Bytes of the memory budget that remembered `initParams` take. */
  heldBytes: number
  /** Whether its row still says `pending`: its first record changes that. */
  pending: boolean
  /** Results that later steps read, by the index of their step in the program. */
  readonly results: Map<number, StepResult>
  /** Milliseconds for which at least one step executed; see work-time.ts. */
  workMs: number
  /** Steps that are executing. */
  working: number
  /** When (`performance.now()`) `workMs` was counted last. */
  workedUntilMs: number
  /** Results of small child runs that ended in this process, by trajectory id: steps that gather them read them here. */
  childResults?: Map<string, ReadableRun>
}

export interface StepFailure {
  name: string
  message: string
}

/** One execution of a step: its position in the order of execution, and its attempt. */
export interface StepPlace {
  readonly step: ProgramStep
  /** 0-based index in the order of execution, where it is recorded. */
  readonly seq: number
  /** The name that it is recorded under: from the second turn of a loop on `<step>__<turn>`. */
  readonly name: string
  /** 1-based turn of its loop. */
  readonly turn: number
  attempt: number
  /** When it started first, if it has. */
  started: Date | undefined
}

/** The values of a recorded step for later ones: JSON texts, parsed on first use. */
export interface StepResult {
  inputs: string | null
  outputs: string | null
  status: string
  error: string | null
  value?: unknown
  /** Bytes that it takes of the memory budget. */
  bytes: number
}
