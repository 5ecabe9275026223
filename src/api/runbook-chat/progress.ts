import type { ServerEvent } from '../../http/events.ts'
import { isObject, parsedObject } from '../../lib/json-object.ts'

/** One event of a run as a chat tells it: what people read, and what programs do. */
export interface Progress {
  /** Goes into `delta.content`; null where it is for programs alone. */
  content: string | null
  /** Goes beside it as `jetty_event`. */
  event: Record<string, unknown>
}

/** Texts of a chat are for reading: what is longer stands in the trajectory. */
const longestText = 4_000
const longestInput = 300
/** Characters of a `jetty_event`. */
const longestEvent = 16_000

const clip = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text)
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const line = (text: string): string => `${text}\n`

const stepLine = (step: Record<string, unknown>): string | null => {
  const name = textOf(step.key)
  if (step.status === 'running') return line(`Step '${name}' (${textOf(step.activity)}) has begun`)
  if (step.status === 'failed') return line(`Step '${name}' failed: ${clip(textOf(step.error), longestText)}`)
  if (step.status === 'completed' || step.status === 'cancelled') return line(`Step '${name}' ${step.status}`)
  return null
}

/** Inputs and outputs of a step stand in the trajectory; here is what becomes of it. */
const stepProgress = ({
  inputs: _,
  outputs: __,
  config: ___,
  depends_on: ____,
  logs: _____,
  ...head
}: Record<string, unknown>): Progress => ({
  content: stepLine(head),
  event: { type: 'step', ...head },
})

const callText = (input: unknown): string => clip(JSON.stringify(input) ?? '', longestInput)

/** What a coding agent does, as people read it. */
const agentText = (event: Record<string, unknown>): string | null => {
  switch (event.type) {
    case 'message':
      return event.role === 'assistant' ? `${clip(textOf(event.text), longestText)}\n\n` : null
    case 'tool_call':
      return line(`→ ${textOf(event.name)} ${callText(event.input)}`)
    case 'tool_result':
      return event.is_error ? line(`← failed: ${clip(textOf(event.output), longestInput)}`) : null
    case 'phase':
    case 'warning':
    case 'error':
      return line(clip(textOf(event.message), longestText))
    default:
      return null
  }
}

const bounded = (event: Record<string, unknown>): Record<string, unknown> => {
  if (JSON.stringify(event).length <= longestEvent) return event
  const parts = Object.entries(event).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return [name, (text?.length ?? 0) > longestInput ? clip(text ?? '', longestInput) : value]
  })
  return { ...Object.fromEntries(parts), truncated: true }
}

/** What a chat tells of an event of its run; undefined for one that it does not tell. */
export const progressOf = ({ event: kind, data }: ServerEvent): Progress | undefined => {
  const value = parsedObject(data)
  if (!value) return undefined
  if (kind === 'step') return stepProgress(value)
  if (kind === 'agent') {
    const told = isObject(value.event) ? value.event : value
    return { content: agentText(told), event: bounded({ ...value, type: textOf(told.type) }) }
  }
  if (kind === 'log')
    return { content: line(clip(textOf(value.message), longestText)), event: bounded({ ...value, type: 'log' }) }
  if (kind === 'status' || kind === 'label') return { content: null, event: bounded({ ...value, type: kind }) }
  return undefined
}
