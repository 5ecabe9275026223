import { isObject, type JsonObject, parsedObject } from '../lib/json/json-object.ts'
import { asText } from '../lib/text/as-text.ts'
import type { NewAgentEvent } from '../model/runbooks/runbook-run.ts'
import type { AgentReader, AgentReport } from './agent.ts'
import { boundedInput, boundedText, eventTextLength } from './bounded.ts'

export type Scrub = (text: string) => string

/** What a reader knows of its agent so far; the events are those of the line that is being read. */
export interface Reading {
  tell(event: NewAgentEvent): void
  /** A message of the agent, which is its last one so far. */
  say(text: string): void
  /** A part of a message whose further parts come in later lines. */
  sayPart(text: string): void
  call(id: unknown, name: unknown, input: unknown): void
  result(id: unknown, output: unknown, isError: boolean): void
  warn(message: string): void
  /** An error of its own; `end` may take it back. */
  fail(message: string): void
  deny(): void
  /** Its own statement that it has come to its end. */
  end(ok: boolean, reason: string): void
  /** It goes on after all. */
  goOn(): void
}

/** A text that stands somewhere in what an agent printed, be it an object with a message. */
export const textOf = (value: unknown): string =>
  isObject(value) ? textOf(value.message ?? asText(value)) : value === undefined || value === null ? '' : asText(value)

/** The objects of a list; none where it is no list. */
export const objectsOf = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : [])

/**
 * A reader of JSON lines. `read` is given each line that is an object, and may stumble over what it does not expect: what
 * it has told until then is kept. `finish` comes after the last line.
 */
export const makeReader = (
  scrub: Scrub,
  read: (line: JsonObject, reading: Reading) => void,
  finish: (reading: Reading) => void = () => {},
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
  const reading: Reading = {
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
      } catch {} // another version may say it in another shape
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

/** What an event keeps of a text, and so much beyond it that a secret at its end is whole. */
const mostOfParts = 2 * eventTextLength

/** A text that comes in parts, of which no more is kept than is read; a million of them cost what they are long. */
const makeParts = (scrub: Scrub) => {
  const kept: string[] = []
  let length = 0
  return {
    add(part: string): void {
      if (length < mostOfParts) kept.push(part.slice(0, mostOfParts - length))
      length += part.length
    },
    text(): string {
      const clean = scrub(kept.join(''))
      return boundedText(clean, eventTextLength, Math.max(0, length - mostOfParts))
    },
  }
}
