import type { StepCall, ToolRequest } from '../src/model/runs/step-call.ts'
import type { OfferedTool, StepTools } from '../src/model/runs/step-tools.ts'

/** The tools of a step in memory: `answer` is the result of each call. */
export const makeTestTools = (
  offered: OfferedTool[],
  answer: (call: ToolRequest) => string,
): StepTools<never> & { rows: StepCall[] } => {
  const rows: StepCall[] = []
  const end = ({ turn, id, tool }: ToolRequest, status: 'completed' | 'refused', content: string) => {
    const row = { type: 'tool' as const, turn, id, tool, status, content, duration_seconds: 0 }
    rows.push(row)
    return row
  }
  return {
    rows,
    offered: async () => offered,
    records: async () => rows,
    recordTurn: async (turn) => void rows.push(turn),
    refuse: async (call, content) => void end(call, 'refused', content),
    carryOut: async (call) => end(call, 'completed', answer(call)),
  }
}
