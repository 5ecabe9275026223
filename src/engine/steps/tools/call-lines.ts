import { isObject } from '../../../lib/json/json-object.ts'
import { timestamp } from '../../../lib/time.ts'
import type { StepLog } from '../../../model/runs/step.ts'
import type { ModelTurn, StepCall, ToolEnd } from '../../../model/runs/step-call.ts'
import type { StepSide } from '../step-side.ts'

/** Turns and tool calls that the log of one step names; the records have all of them. */
const mostLines = 200

const seconds = (duration: number): string => `${duration < 10 ? duration.toFixed(1) : Math.round(duration)} s`

const namesOf = ({ message }: ModelTurn): string[] =>
  (Array.isArray(message.tool_calls) ? message.tool_calls : []).flatMap((call) =>
    isObject(call) && isObject(call.function) ? [String(call.function.name)] : [],
  )

const turnText = (turn: ModelTurn): string => {
  const names = namesOf(turn)
  const did = names.length === 0 ? 'answered' : `called ${names.join(', ')}`
  const tokens = turn.usage ? `, ${turn.usage.total_tokens} tokens` : ''
  return `Turn ${turn.turn}: ${turn.model} ${did} (${seconds(turn.duration_seconds)}${tokens})`
}

const toolText = ({ turn, tool, status, duration_seconds, trajectory_id }: ToolEnd): string => {
  const run = trajectory_id === undefined ? '' : ` in run ${trajectory_id}`
  return `Turn ${turn}: ${tool} ${status}${run} (${seconds(duration_seconds)})`
}

/** Adds a turn or the end of a tool call to the log of its step, unless it is there. */
export const logCall = ({ warnings }: StepSide, call: StepCall, at: Date): void => {
  if (call.type === 'tool_started') return
  const [type, message] = call.type === 'model' ? ['model_turn', turnText(call)] : ['tool_call', toolText(call)]
  const id = call.type === 'model' ? `${call.turn}` : `${call.turn} ${call.id}`
  const own = warnings.filter((one) => one.type === 'model_turn' || one.type === 'tool_call')
  if (own.length >= mostLines || own.some((one) => one.type === type && one.attributes.call === id)) return
  const level: StepLog['level'] = call.type === 'tool' && call.status !== 'completed' ? 'warning' : 'info'
  warnings.push({ timestamp: timestamp(at), level, type, message, attributes: { call: id } })
}
