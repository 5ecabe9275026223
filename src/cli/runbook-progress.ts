import pc from 'picocolors'
import { isObject } from '../lib/json-object.ts'
import type { NewAgentEvent } from '../model/runbook-run.ts'
import { duration, type Output, safe } from './output.ts'
import { makeProgressLine } from './progress-line.ts'

/** So much of what an agent says and sees is shown; all of it is in its log. */
const mostShown = { message: 2000, call: 120, resultLines: 3 }

export interface RunbookProgress {
  tell(event: NewAgentEvent): void
  /** Takes away what moves. */
  stop(): void
}

const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text)
const oneLine = (text: string): string => cut(text.trim().replace(/\s+/g, ' '), mostShown.call)
const indented = (text: string, by: string): string => text.replace(/^/gm, by)

/** What agents call the one thing that a call of a tool is about. */
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

/** A call of a tool in one line. */
const callText = (name: string, input: unknown): string => {
  const told = isObject(input)
    ? tellingMembers.map((member) => input[member]).find((value) => value !== undefined)
    : input
  const text = Array.isArray(told)
    ? told.join(' ')
    : typeof told === 'string'
      ? told
      : JSON.stringify(told ?? input ?? '')
  return `${pc.cyan('→')} ${safe(name)} ${pc.dim(safe(oneLine(text)))}`
}

const resultText = (output: string, isError: boolean): string => {
  const lines = output.trimEnd().split('\n')
  const shown = lines.slice(0, mostShown.resultLines).map((line) => cut(line, mostShown.call))
  const left = lines.length - shown.length
  const more = left > 0 ? [`… ${left} more line${left === 1 ? '' : 's'}`] : []
  return indented((isError ? pc.red : pc.dim)(safe([...shown, ...more].join('\n'))), '    ')
}

/** What is printed of an event; undefined where nothing is. */
export const eventText = (event: NewAgentEvent): string | undefined => {
  switch (event.type) {
    case 'phase':
      return `${pc.bold(event.phase)} ${safe(event.message)}`
    case 'message':
      return event.role === 'user' || event.text.trim() === ''
        ? undefined
        : indented(safe(cut(event.text.trim(), mostShown.message)), '  ')
    case 'tool_call':
      return `  ${callText(event.name, event.input)}`
    case 'tool_result':
      return event.output.trim() === '' ? undefined : resultText(event.output, event.is_error)
    case 'warning':
      return `${pc.yellow('warning:')} ${safe(event.message)}`
    case 'error':
      return `  ${pc.red('error:')} ${safe(cut(event.message, mostShown.message))}`
    default:
      return undefined
  }
}

/** Shows on stderr what an agent does while it does it, and in a terminal a line that moves. */
export const makeRunbookProgress = (out: Output): RunbookProgress => {
  const begun = Date.now()
  let phase = 'preparing'
  const spent = { calls: 0, tokens: 0 }
  const line = out.isJson
    ? undefined
    : makeProgressLine(() => {
        const used = spent.calls === 0 ? '' : ` · ${spent.calls} calls, ${spent.tokens.toLocaleString('en')} tokens`
        return `${safe(phase)} ${pc.dim(`${duration((Date.now() - begun) / 1000)}${used}`)}`
      })
  return {
    tell(event) {
      if (event.type === 'phase') phase = event.phase
      if (event.type === 'usage') {
        spent.calls++
        spent.tokens += event.prompt_tokens + event.completion_tokens
      }
      const text = eventText(event)
      if (text === undefined) return
      line?.clear()
      out.note(text)
    },
    stop: () => line?.stop(),
  }
}
