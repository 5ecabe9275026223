import type { LogEvent } from '../../../src/model/runs/run-events.ts'
import { plainText } from './plain-text.ts'

/** A line of a log. */
export interface LogLine {
  id: number
  /** Milliseconds since 1970. */
  at: number
  level: LogEvent['level']
  type: string
  step: string | undefined
  text: string
  attributes: Record<string, unknown>
}

export type LogLevel = LogEvent['level']

/** Levels from the least to the most urgent. */
export const logLevels: readonly LogLevel[] = ['debug', 'info', 'warning', 'error']

export interface LogFilter {
  level: LogLevel
  text: string
  /** Only lines of this step. */
  step: string | undefined
}

/** Lines of a log that pass a filter, as plain text. */
export const logLines = (events: readonly LogEvent[], { level, text, step }: LogFilter): LogLine[] => {
  const least = logLevels.indexOf(level)
  const wanted = text.trim().toLowerCase()
  const lines: LogLine[] = []
  for (const [id, event] of events.entries()) {
    if (logLevels.indexOf(event.level) < least) continue
    if (step !== undefined && event.step !== step) continue
    const shown = plainText(event.message)
    if (wanted !== '' && !`${event.step ?? ''} ${event.type} ${shown}`.toLowerCase().includes(wanted)) continue
    lines.push({
      id,
      at: Date.parse(event.timestamp),
      level: event.level,
      type: event.type,
      step: event.step ?? undefined,
      text: shown,
      attributes: event.attributes,
    })
  }
  return lines
}

/** The log as a text to copy. */
export const logText = (lines: readonly LogLine[]): string =>
  lines.map(({ at, level, step, text }) => `${new Date(at).toISOString()} ${level} ${step ?? '-'} ${text}\n`).join('')
