import { timestamp } from '../../lib/time.ts'
import type { AgentEventType, NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import type { LogEvent } from '../../model/runs/run-events.ts'
import type { StepLog } from '../../model/runs/step.ts'
import type { Queries } from '../../store/database/database.ts'
import { newestStepEvents, type StepEventRow } from '../../store/runs/step-events.ts'
import type { StepRecord } from '../../store/runs/step-row.ts'
import type { ShownDefinition } from './definitions.ts'

/** Types of log events, by type of agent event. */
export const agentLogTypes = {
  phase: 'agent_phase',
  message: 'agent_message',
  tool_call: 'agent_tool_call',
  tool_result: 'agent_tool_result',
  usage: 'model_call',
  output: 'script_output',
  warning: 'agent_warning',
  error: 'agent_error',
  end: 'agent_end',
} as const satisfies Record<AgentEventType, string>

/** Characters of the line that people read; `attributes` have all of it. */
const longestLine = 500

/** An event of an agent as one of its run: a line to read, and as `attributes` the event itself. */
export const agentLogEvent = (row: Omit<StepEventRow, 'changed'>, definition: ShownDefinition): LogEvent => {
  const event = JSON.parse(row.event) as NewAgentEvent
  return {
    timestamp: timestamp(row.at),
    level: levelOf(event),
    type: agentLogTypes[event.type],
    step: row.step,
    activity: JSON.parse(definition.step(row.step).activity) as string,
    message: clip(agentLine(event)),
    attributes: { n: row.n, ...event },
  }
}

const levelOf = (event: NewAgentEvent): LogEvent['level'] => {
  if (event.type === 'error') return 'error'
  if (event.type === 'end') return event.ok ? 'info' : 'error'
  return event.type === 'warning' ? 'warning' : 'info'
}

/** Describes an event of an agent in one line of text. */
export const agentLine = (event: NewAgentEvent): string => {
  switch (event.type) {
    case 'message':
      return event.text
    case 'tool_call':
      return `${event.name} ${JSON.stringify(event.input) ?? ''}`
    case 'tool_result':
      return event.is_error ? `failed: ${event.output}` : event.output
    case 'usage':
      return `${event.model}: ${event.prompt_tokens} + ${event.completion_tokens} tokens`
    case 'output':
      return event.text.replace(/\n$/, '')
    case 'end':
      return event.reason
    default:
      return event.message
  }
}

const clip = (text: string): string => (text.length > longestLine ? `${text.slice(0, longestLine - 1)}…` : text)

/** Maximum events of a runbook in the document of its run, one line each. The log has all of them in full. */
const mostInDocument = 50
/** Maximum runbooks with events in a document: the newest ones. A loop may execute many. */
const mostRunbooks = 20

/** The steps with what agents did last in them beside their warnings. */
export const withEvents = async (
  queries: Queries,
  steps: StepRecord[],
  definition: ShownDefinition,
  until: number,
): Promise<StepRecord[]> => {
  const runbooks = new Set(steps.filter(({ name }) => definition.step(name).hasEvents).slice(-mostRunbooks))
  const told = async (step: StepRecord): Promise<StepRecord> => {
    const at = { runKey: step.run_id, seq: step.seq, until, limit: mostInDocument }
    const lines = (await newestStepEvents(queries, at)).map((row): StepLog => {
      const { timestamp, level, type, message } = agentLogEvent(row, definition)
      return { timestamp, level, type, message, attributes: { n: row.n } }
    })
    if (lines.length === 0) return step
    const warnings = step.warnings === null ? [] : (JSON.parse(step.warnings) as unknown[])
    return { ...step, warnings: JSON.stringify([...warnings, ...lines]) }
  }
  return Promise.all(steps.map((step) => (runbooks.has(step) ? told(step) : step)))
}
