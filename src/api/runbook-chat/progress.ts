import type { ServerEvent } from '../../http/events.ts'
import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import { agentLogTypes } from '../trajectories/agent-events.ts'

/** An event of a run for a chat: text for people, and data for programs. */
interface ChatProgress {
  /** Text for `delta.content`; null for data only. */
  content: string | null
  /** Data for `jetty_event`. */
  event: Record<string, unknown>
  /** The agent's complete message. */
  said?: string
}

/** Maximum characters of a text in a chat; the trajectory has all of it. */
const longestText = 4_000
const longestInput = 300
/** Maximum characters of a `jetty_event`. */
const longestEvent = 16_000

const clip = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text)
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const line = (text: string): string => `${clip(text, longestText)}\n`

const stepLine = (step: Record<string, unknown>): string | null => {
  const name = textOf(step.key)
  if (step.status === 'running') return line(`Step '${name}' (${textOf(step.activity)}) started`)
  if (step.status === 'failed') return line(`Step '${name}' failed: ${textOf(step.error)}`)
  if (step.status === 'completed' || step.status === 'cancelled') return line(`Step '${name}' ${step.status}`)
  return null
}

/** Members of a step that a chat reports; inputs and outputs are in the trajectory. */
const toldOfStep = ['key', 'activity', 'status', 'error', 'attempt', 'created', 'ended', 'duration_seconds']

const stepProgress = (step: Record<string, unknown>): ChatProgress => ({
  content: stepLine(step),
  event: { type: 'step', ...Object.fromEntries(toldOfStep.map((name) => [name, step[name] ?? null])) },
})

/** Describes an agent's event for people. */
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

/** Shortens the texts of an event that is too large for a chat. */
const bounded = (event: Record<string, unknown>): Record<string, unknown> => {
  if (JSON.stringify(event).length <= longestEvent) return event
  const parts = Object.entries(event).map(([name, value]) => {
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
    return [name, text.length > longestInput ? clip(text, longestInput) : value]
  })
  return { ...Object.fromEntries(parts), truncated: true }
}

const agentTypes: ReadonlySet<unknown> = new Set(Object.values(agentLogTypes))

const logProgress = (log: Record<string, unknown>): ChatProgress => {
  const { type, step, timestamp, level, message, attributes } = log
  const told = { type, step, timestamp, level }
  if (!agentTypes.has(type) || !isObject(attributes)) {
    const content = type === 'step_failed' ? null : line(textOf(message)) // the step reports it
    return { content, event: bounded({ ...told, message, attributes }) }
  }
  const said = attributes.type === 'message' && attributes.role === 'assistant' ? textOf(attributes.text) : undefined
  return {
    content: agentText(attributes),
    event: bounded({ ...attributes, ...told }),
    ...(said !== undefined && { said }),
  }
}

/** Converts an event of the run for the chat; undefined for events that are not reported. */
export const chatProgress = ({ event: kind, data }: ServerEvent): ChatProgress | undefined => {
  const value = parsedObject(data)
  if (!value) return undefined
  if (kind === 'step') return stepProgress(value)
  if (kind === 'log') return logProgress(value)
  if (kind === 'status' || kind === 'label') return { content: null, event: bounded({ type: kind, ...value }) }
  return undefined
}
