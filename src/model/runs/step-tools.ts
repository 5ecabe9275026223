import type { ModelTurn, StepCall, ToolEnd, ToolRequest } from './step-call.ts'

/** A tool as a model is told about it. */
export interface OfferedTool {
  name: string
  description: string
  /** JSON Schema of the parameters that the model sets. */
  parameters: Record<string, unknown>
}

/** The tools that a step offers to its model, and what is recorded of their use: each record is on disk once. */
export interface StepTools<Wait> {
  offered(): Promise<readonly OfferedTool[]>
  /** All records of the step in order, those of earlier attempts and processes included. */
  records(): Promise<readonly StepCall[]>
  /** Records an answer of the model, with the files that were saved for it. */
  recordTurn(turn: ModelTurn): Promise<void>
  /** Records a call that is not carried out; `content` tells the model why. */
  refuse(call: ToolRequest, content: string): Promise<void>
  /**
   * Carries a call out and records its result; a failure of the tool is a result too. `ordinal` is the number of the call in the
   * step, from 0. For a task it returns what to wait for; the activity runs again after that.
   */
  carryOut(call: ToolRequest, ordinal: number): Promise<ToolEnd | Wait>
}
