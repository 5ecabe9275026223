import { isObject, type JsonObject, parsedObject } from '../../lib/json/json-object.ts'
import { asText } from '../../lib/text/as-text.ts'
import { makeJoinedText } from '../../lib/text/joined-text.ts'
import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import type { AgentReader, AgentReport } from './agent.ts'

/**
 * Maximum characters of one event: enough to read a tool's output, and bounded for the 20,000 events of a run. The
 * agent's log has everything.
 */
export const eventTextLength = 64 * 1024
const deepest = 32

/** Characters that cannot be stored: NUL, and lone surrogates, which cutting a text may leave. */
const notStorable = /\0|\p{Surrogate}/gu

/** Cuts a text for an event, and removes what Postgres and JSON cannot store. */
const boundedText = (text: string, length = eventTextLength, lost = 0): string => {
  const clean = text.slice(0, length).replace(notStorable, '�')
  const left = Math.max(0, text.length - length) + lost
  return left > 0 ? `${clean}… (${left} more characters)` : clean
}

/** Cuts a tool's input for an event: keeps its shape, shortens long texts and lists. */
const boundedInput = (value: unknown, scrub: (text: string) => string): unknown => {
  let left = eventTextLength
  const bound = (part: unknown, depth: number): unknown => {
    left -= 8
    if (typeof part === 'string') {
      const kept = boundedText(scrub(part), Math.max(0, left))
      left -= kept.length
      return kept
    }
    if (typeof part !== 'object' || part === null) return part
    if (depth > deepest || left <= 0) return '…'
    if (Array.isArray(part)) return boundedList(part).map((entry) => bound(entry, depth + 1))
    return Object.fromEntries(
      boundedList(Object.entries(part)).map(([name, member]) => [bound(name, depth), bound(member, depth + 1)]),
    )
  }
  const boundedList = <Entry>(entries: Entry[]): Entry[] => entries.slice(0, Math.max(0, Math.floor(left / 8)))
  return bound(value, 0)
}

export type Scrub = (text: string) => string

/** State of a reader; its events are those of the current line. */
export interface ReaderState {
  tell(event: NewAgentEvent): void
  /** Records a message, the last one so far. */
  say(text: string): void
  /** Records a part of a message that continues in later lines. */
  sayPart(text: string): void
  call(id: unknown, name: unknown, input: unknown): void
  result(id: unknown, output: unknown, isError: boolean): void
  warn(message: string): void
  /** Records an error; `end` may revoke it. */
  fail(message: string): void
  deny(): void
  /** Records the agent's own statement that it has finished. */
  end(ok: boolean, reason: string): void
  /** Revokes the end: the agent continues. */
  goOn(): void
}

/** Text of a value in an agent's output, possibly an object with a message. */
export const textOf = (value: unknown): string =>
  isObject(value) ? textOf(value.message ?? asText(value)) : value === undefined || value === null ? '' : asText(value)

/**
 * Makes a reader of JSON lines. `read` receives each line that is an object, and may throw on unexpected ones: what it
 * reported until then is kept. `finish` runs after the last line.
 */
export const makeReader = (
  scrub: Scrub,
  read: (line: JsonObject, reading: ReaderState) => void,
  finish: (reading: ReaderState) => void = () => {},
): AgentReader => {
  let events: NewAgentEvent[] = []
  const bounded = (text: string, length?: number) => boundedText(scrub(text), length)
  let parts = makeParts(scrub)
  const report: AgentReport = { isDone: false, error: undefined, denied: 0, text: '' }

  const tell = (event: NewAgentEvent): void => {
    flush()
    events.push(event)
  }
  const message = (text: string): void => {
    if (!text.trim()) return
    report.text = text
    events.push({ type: 'message', role: 'assistant', text: report.text })
  }
  const flush = (): void => {
    const joined = parts.text()
    parts = makeParts(scrub)
    message(joined)
  }
  const reading: ReaderState = {
    tell,
    say(text) {
      flush()
      message(bounded(text))
    },
    sayPart(text) {
      parts.add(text)
    },
    call: (id, name, input) =>
      tell({
        type: 'tool_call',
        id: bounded(asText(id), 200),
        name: bounded(asText(name), 200),
        input: boundedInput(input, scrub),
      }),
    result: (id, output, isError) =>
      tell({
        type: 'tool_result',
        id: bounded(asText(id), 200),
        output: bounded(asText(output ?? '')),
        is_error: isError,
      }),
    warn: (text) => tell({ type: 'warning', message: bounded(text) }),
    fail(text) {
      report.error = bounded(text || 'an error without a message')
      tell({ type: 'error', message: report.error })
    },
    deny() {
      report.denied++
    },
    end(ok, reason) {
      report.isDone = ok
      tell({ type: 'end', ok, reason: bounded(reason) })
    },
    goOn() {
      report.isDone = false
    },
  }
  const taken = (): NewAgentEvent[] => {
    const told = events
    events = []
    return told
  }
  return {
    line(text) {
      const line = parsedObject(text)
      if (!line) return []
      try {
        read(line, reading)
      } catch {} // another version may use another shape
      return taken()
    },
    rest() {
      flush()
      finish(reading)
      return taken()
    },
    report() {
      const open = parts.text()
      return { ...report, text: open.trim() ? open : report.text }
    },
  }
}

/**
 * Maximum characters kept of a text that arrives in parts. It exceeds an event's limit, so that a secret at the cut is
 * complete and found.
 */
const mostOfParts = 2 * eventTextLength

/** Collects a text that arrives in parts, in bounded memory and linear time. */
const makeParts = (scrub: Scrub) => {
  const kept = makeJoinedText()
  let length = 0
  return {
    add(part: string): void {
      kept.add(part.slice(0, mostOfParts - kept.length))
      length += part.length
    },
    text(): string {
      const clean = scrub(kept.text())
      return boundedText(clean, eventTextLength, Math.max(0, length - mostOfParts))
    },
  }
}
