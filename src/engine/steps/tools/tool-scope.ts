import type { ActivityContext, WaitForRuns } from '../../../activities/activity.ts'
import type { ProgramTool } from '../../program/tools.ts'
import type { OwnContext } from '../activity-context.ts'
import type { StepAtWork } from '../step-at-work.ts'
import type { StepSide } from '../step-side.ts'
import type { StepCalls } from './step-calls.ts'

/** What the tool calls of one attempt of a step share. */
export interface ToolScope {
  work: StepAtWork
  calls: StepCalls
  /** Parameters of the step, resolved: with the values that its tools fix. */
  parameters: Record<string, unknown>
  signal(): AbortSignal
  /** The tools of the step; those that start a task with its parameters. */
  tools(): Promise<ProgramTool[]>
  /** The run that the step is about to wait for: it waits for one at a time. */
  waiting: Promise<WaitForRuns<never>> | undefined
  /** Makes the context of a tool call, with files and warnings of its own. */
  contextOf(side: StepSide, own: OwnContext, signal: () => AbortSignal): ActivityContext
}

/** The parameters of a tool that the workflow fixes, resolved. */
export const fixedBy = ({ parameters }: ToolScope, at: number): Record<string, unknown> =>
  (parameters.tools as { config: Record<string, unknown> }[])[at]?.config ?? {}
