import type { ServerEvent } from '../../http/events.ts'
import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import { agentLogTypes } from '../trajectories/agent-events.ts'

/** One event of a run as a chat tells it: what people read, and what programs do. */
export interface Progress {
  /** Goes into `delta.content`; null where it is for programs alone. */
  content: string | null
  /** Goes beside it as `jetty_event`. */
  event: Record<string, unknown>
  /** What the agent says, whole. */
  said?: string
}

/** Texts of a chat are for reading: what is longer stands in the trajectory. */
const longestText = 4_000
const longestInput = 300
/** Characters of a `jetty_event`. */
const longestEvent = 16_000

const clip = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text)
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const line = (text: string): string => `${clip(text, longestText)}\n`

const stepLine = (step: Record<string, unknown>): string | null => {
  const name = textOf(step.key)
  if (step.status === 'running') return line(`Step '${name}' (${textOf(step.activity)}) has begun`)
  if (step.status === 'failed') return line(`Step '${name}' failed: ${textOf(step.error)}`)
  if (step.status === 'completed' || step.status === 'cancelled') return line(`Step '${name}' ${step.status}`)
  return null
}

/** Inputs and outputs stand in the trajectory; here is what becomes of the step. */
const toldOfStep = ['key', 'activity', 'status', 'error', 'attempt', 'created', 'ended', 'duration_seconds']

const stepProgress = (step: Record<string, unknown>): Progress => ({
  content: stepLine(step),
  event: { type: 'step', ...Object.fromEntries(toldOfStep.map((name) => [name, step[name] ?? null])) },
})

/** What a coding agent does, as people read it. */
const agentText = (event: Record<string, unknown>): string | null => {
  switch (event.type) {
    case 'message':
      return event.role === 'assistant' ? line(`${clip(textOf(event.text), longestText)}\n`) : null
    case 'tool_call':
      return line(`→ ${textOf(event.name)} ${clip(JSON.stringify(event.input) ?? '', longestInput)}`)
    case 'tool_result':
      return event.is_error ? line(`← failed: ${clip(textOf(event.output), longestInput)}`) : null
    case 'phase':
    case 'warning':
    case 'error':
      return line(textOf(event.message))
    default:
      return null
  }
}

/** An event that is too large for a chat is told with its long texts cut. */
const bounded = (event: Record<string, unknown>): Record<string, unknown> => {
  if (JSON.stringify(event).length <= longestEvent) return event
  const parts = Object.entries(event).map(([name, value]) => {
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
    return [name, text.length > longestInput ? clip(text, longestInput) : value]
  })
  return { ...Object.fromEntries(parts), truncated: true }
}

const agentTypes: ReadonlySet<unknown> = new Set(Object.values(agentLogTypes))

const logProgress = (log: Record<string, unknown>): Progress => {
  const { type, step, timestamp, level, message, attributes } = log
  const told = { type, step, timestamp, level }
  if (!agentTypes.has(type) || !isObject(attributes)) {
    const content = type === 'step_failed' ? null : line(textOf(message)) // the step itself says so
    return { content, event: bounded({ ...told, message, attributes }) }
  }
  const said = attributes.type === 'message' && attributes.role === 'assistant' ? textOf(attributes.text) : undefined
  return {
    content: agentText(attributes),
    event: bounded({ ...attributes, ...told }),
    ...(said !== undefined && { said }),
  }
}

/** What a chat tells of an event of its run; undefined for one that it does not tell. */
export const progressOf = ({ event: kind, data }: ServerEvent): Progress | undefined => {
  const value = parsedObject(data)
  if (!value) return undefined
  if (kind === 'step') return stepProgress(value)
  if (kind === 'log') return logProgress(value)
  if (kind === 'status' || kind === 'label') return { content: null, event: bounded({ type: kind, ...value }) }
  return undefined
}
