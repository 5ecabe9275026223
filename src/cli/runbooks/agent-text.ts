import pc from 'picocolors'
import { isObject } from '../../lib/json/json-object.ts'
import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import { hanging, safe } from '../show/output.ts'

/** Limits of an agent's messages and results on the terminal. The log has all of them. */
const mostShown = { message: 2000, line: 140, resultLines: 3 }

const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text)
/** Cuts a text to one terminal line whose first `before` columns are occupied. */
const oneLine = (text: string, before: number): string =>
  cut(
    text.trim().replace(/\s+/g, ' '),
    Math.max(20, Math.min(mostShown.line, process.stderr.columns ?? Infinity) - before),
  )
const indented = (text: string, by: string): string => text.replace(/^/gm, by)

/** Names that agents use for the main argument of a tool call. */
const tellingMembers = [
  'command',
  'cmd',
  'script',
  'file_path',
  'path',
  'filePath',
  'pattern',
  'query',
  'url',
  'prompt',
]

/** Formats a tool call in one line. */
const callText = (name: string, input: unknown): string => {
  const told = isObject(input)
    ? tellingMembers.map((member) => input[member]).find((value) => value !== undefined)
    : input
  const text = Array.isArray(told)
    ? told.join(' ')
    : typeof told === 'string'
      ? told
      : JSON.stringify(told ?? input ?? '')
  return `${pc.cyan('→')} ${safe(name)} ${pc.dim(safe(oneLine(text, name.length + 5)))}`
}

const resultText = (output: string, isError: boolean): string => {
  const lines = output.trimEnd().split('\n')
  const shown = lines.slice(0, mostShown.resultLines).map((line) => oneLine(line, 4))
  const left = lines.length - shown.length
  const more = left > 0 ? [`… ${left} more line${left === 1 ? '' : 's'}`] : []
  return indented((isError ? pc.red : pc.dim)(safe([...shown, ...more].join('\n'))), '    ')
}

/** Converts a log line of a run to the agent's event. */
export const agentEventOf = ({
  type,
  attributes,
}: {
  type: string
  attributes?: Record<string, unknown>
}): NewAgentEvent | undefined =>
  (type.startsWith('agent_') || type === 'model_call') && typeof attributes?.type === 'string'
    ? (attributes as NewAgentEvent)
    : undefined

/** Text of an event; undefined for events that are not shown. */
export const agentEventText = (event: NewAgentEvent): string | undefined => {
  switch (event.type) {
    case 'phase':
      return `${pc.bold(event.phase)} ${hanging(event.message, 4)}`
    case 'message':
      return event.role === 'user' || event.text.trim() === ''
        ? undefined
        : indented(safe(cut(event.text.trim(), mostShown.message)), '  ')
    case 'tool_call':
      return `  ${callText(event.name, event.input)}`
    case 'tool_result':
      return event.output.trim() === '' ? undefined : resultText(event.output, event.is_error)
    case 'warning':
      return `${pc.yellow('warning:')} ${hanging(event.message, 4)}`
    case 'error':
      return `  ${pc.red('error:')} ${hanging(cut(event.message, mostShown.message), 4)}`
    default:
      return undefined
  }
}
