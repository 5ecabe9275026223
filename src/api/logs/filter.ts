import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import type { LogEvent } from '../../model/runs/run-events.ts'
import { agentLogTypes } from '../trajectories/agent-events.ts'

/** Filter of a log. An omitted member does not restrict it. */
export interface EventFilter {
  level?: LogEvent['level'] | undefined
  /** Milliseconds since 1970. */
  after?: number | undefined
  step?: string | undefined
  /** Number of an attempt. It excludes events that belong to no step. */
  attempt?: number | undefined
  /** Types of which an event must have one; empty for any. */
  types: readonly string[]
  /** Text in the message or the attributes (case-insensitive). */
  text?: string | undefined
}

/** Escapes a text as it appears inside JSON. */
const inJson = (text: string): string => JSON.stringify(text).slice(1, -1)

/** Makes the test of an event. */
export const matcherOf = ({
  level,
  after,
  step,
  attempt: wantedAttempt,
  types,
  text,
}: EventFilter): ((event: LogEvent, attempt?: number) => boolean) => {
  const wanted = new Set(types)
  const lower = text?.toLowerCase() ?? ''
  const lowerInJson = inJson(lower)
  return (event, attempt) =>
    (level === undefined || event.level === level) &&
    (after === undefined || Date.parse(event.timestamp) > after) &&
    (step === undefined || event.step === step) &&
    (wantedAttempt === undefined || attempt === wantedAttempt) &&
    (wanted.size === 0 || wanted.has(event.type)) &&
    (lower === '' ||
      event.message.toLowerCase().includes(lower) ||
      JSON.stringify(event.attributes).toLowerCase().includes(lowerInJson))
}

/** Types of agent events that can have a level. */
const typesOfLevel: Record<LogEvent['level'], readonly NewAgentEvent['type'][]> = {
  debug: [],
  info: ['phase', 'message', 'tool_call', 'tool_result', 'usage', 'output', 'end'],
  warning: ['warning'],
  error: ['error', 'end'],
}

/**
 * Converts a filter to conditions on stored events. They may match too much, never too little. Undefined if no stored
 * event can match.
 */
export const storedConditions = (filter: EventFilter): { pattern: string | null; like: string | null } | undefined => {
  const all = Object.keys(agentLogTypes) as NewAgentEvent['type'][]
  const types = all.filter(
    (type) =>
      (filter.types.length === 0 || filter.types.includes(agentLogTypes[type])) &&
      (filter.level === undefined || typesOfLevel[filter.level].includes(type)),
  )
  if (types.length === 0) return undefined
  const isAny = types.length === all.length
  return {
    pattern: isAny ? null : `^\\{"type":"(${types.join('|')})"`,
    like: filter.text ? `%${inJson(filter.text).replace(/[\\%_]/g, '\\$&')}%` : null,
  }
}
