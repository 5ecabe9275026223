import { totalCost } from '../../../src/model/gateway/model-totals.ts'
import type { NewAgentEvent, RunbookPhase } from '../../../src/model/runbooks/runbook-run.ts'
import type { LogEvent } from '../../../src/model/runs/run-events.ts'
import { plainText } from '../log/plain-text.ts'

/** The result of a tool call. */
interface ToolAnswer {
  output: string
  isError: boolean
  /** Milliseconds since 1970. */
  at: number
}

/** One line of a transcript. */
export type TranscriptEntry = {
  /** Number of its event in the step. */
  n: number
  /** Milliseconds since 1970. */
  at: number
} & (
  | { kind: 'phase'; phase: RunbookPhase; text: string }
  | { kind: 'message'; role: string; text: string }
  | { kind: 'tool'; name: string; input: unknown; line: string; result: ToolAnswer | undefined }
  | { kind: 'warning' | 'error'; text: string }
  | { kind: 'end'; isOk: boolean; text: string }
)

/** What an agent did, with each tool call and its result as one entry. */
export interface Transcript {
  entries: TranscriptEntry[]
  /** Model calls. */
  calls: number
  tokens: number
  /** US dollars; null when a price is unknown. */
  cost: number | null
}

type NumberedEvent = NewAgentEvent & { n: number }

const isAgentEvent = ({ attributes }: LogEvent): boolean => typeof attributes.n === 'number' && 'type' in attributes

/** Puts the events of one step together, in the order of their numbers. */
export const transcriptOf = (events: readonly LogEvent[]): Transcript => {
  const transcript: Transcript = { entries: [], calls: 0, tokens: 0, cost: 0 }
  const open = new Map<string, TranscriptEntry & { kind: 'tool' }>()
  const agentEvents = events.filter(isAgentEvent)
  agentEvents.sort((one, other) => Number(one.attributes.n) - Number(other.attributes.n))
  for (const { timestamp, attributes } of agentEvents) {
    add(transcript, open, attributes as unknown as NumberedEvent, Date.parse(timestamp))
  }
  return transcript
}

const add = (
  transcript: Transcript,
  open: Map<string, TranscriptEntry & { kind: 'tool' }>,
  event: NumberedEvent,
  at: number,
) => {
  const { entries } = transcript
  const { n } = event
  switch (event.type) {
    case 'usage':
      transcript.calls++
      transcript.tokens += event.prompt_tokens + event.completion_tokens
      transcript.cost = totalCost([transcript.cost, event.cost_usd])
      return
    case 'tool_call': {
      const call = {
        n,
        at,
        kind: 'tool',
        name: event.name,
        input: event.input,
        line: toolLine(event.name, event.input),
        result: undefined,
      } as const
      const entry: TranscriptEntry & { kind: 'tool' } = { ...call }
      open.set(event.id, entry)
      return entries.push(entry)
    }
    case 'tool_result': {
      const result: ToolAnswer = { output: event.output, isError: event.is_error, at }
      const call = open.get(event.id)
      open.delete(event.id)
      if (call) call.result = result
      else entries.push({ n, at, kind: 'tool', name: 'tool', input: undefined, line: 'Result of a tool', result })
      return
    }
    case 'phase':
      return entries.push({ n, at, kind: 'phase', phase: event.phase, text: event.message })
    case 'message':
      return entries.push({ n, at, kind: 'message', role: event.role, text: event.text })
    case 'output':
      return entries.push({ n, at, kind: 'message', role: event.stream, text: event.text })
    case 'end':
      return entries.push({ n, at, kind: 'end', isOk: event.ok, text: event.reason })
    default:
      return entries.push({ n, at, kind: event.type, text: event.message })
  }
}

/** Members of a tool's input that say what it is about, the most telling first. */
const tellingMembers = ['command', 'cmd', 'file_path', 'path', 'pattern', 'query', 'url', 'prompt', 'description']

const isMember = (input: unknown): input is Record<string, unknown> => typeof input === 'object' && input !== null

const longestLine = 300

/** A tool call in one line: `$ ls -la` for a shell, else the name of the tool and what it was given. */
export const toolLine = (name: string, input: unknown): string => {
  const members = isMember(input) ? input : {}
  const member = tellingMembers.find((one) => typeof members[one] === 'string' || Array.isArray(members[one]))
  const value = member === undefined ? input : members[member]
  const text = Array.isArray(value)
    ? value.join(' ')
    : typeof value === 'string'
      ? value
      : (JSON.stringify(value) ?? '')
  const line = plainText(text).trim().split('\n', 1)[0] ?? ''
  const shown = line.length > longestLine ? `${line.slice(0, longestLine)}…` : line
  return member === 'command' || member === 'cmd' ? `$ ${shown}` : `${name} ${shown}`.trim()
}

export interface EntryFilter {
  /** Only errors, warnings and failed tools. */
  errorsOnly: boolean
  toolsOnly: boolean
  text: string
}

const isTrouble = (entry: TranscriptEntry): boolean =>
  entry.kind === 'error' ||
  entry.kind === 'warning' ||
  (entry.kind === 'end' && !entry.isOk) ||
  (entry.kind === 'tool' && entry.result?.isError === true)

const textOf = (entry: TranscriptEntry): string =>
  entry.kind === 'tool'
    ? `${entry.name} ${JSON.stringify(entry.input) ?? ''} ${entry.result?.output ?? ''}`
    : entry.text

/** Entries that pass a filter. */
export const shownEntries = (
  entries: readonly TranscriptEntry[],
  { errorsOnly, toolsOnly, text }: EntryFilter,
): TranscriptEntry[] => {
  const wanted = text.trim().toLowerCase()
  return entries.filter(
    (entry) =>
      (!errorsOnly || isTrouble(entry)) &&
      (!toolsOnly || entry.kind === 'tool') &&
      (wanted === '' || textOf(entry).toLowerCase().includes(wanted)),
  )
}

/** A phase of a runbook. */
export interface PhaseSpan {
  n: number
  phase: RunbookPhase
  /** Milliseconds since 1970. */
  from: number
  to: number | undefined
  /** The next phase repairs what this one found wrong. */
  isBad: boolean
}

/** Phases in the order in which they came; `end` is when the step ended, or undefined. */
export const phasesOf = (entries: readonly TranscriptEntry[], end: number | undefined): PhaseSpan[] => {
  const told = entries.filter((entry) => entry.kind === 'phase')
  const phases = told.filter(({ phase }, at) => phase !== told[at - 1]?.phase)
  const last = entries.findLast((entry) => entry.kind === 'end')
  return phases.map(({ n, phase, at }, index) => {
    const next = phases[index + 1]
    const isRepaired = phase === 'verifying' && next?.phase === 'repairing'
    const isEnd = next === undefined && last?.kind === 'end' && !last.isOk
    return { n, phase, from: at, to: next?.at ?? end, isBad: isRepaired || isEnd }
  })
}
