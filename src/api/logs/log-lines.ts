import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import type { LogEvent } from '../../model/runs/run-events.ts'
import { agentLine, agentLogTypes } from '../trajectories/agent-events.ts'
import { matcherOf } from './filter.ts'
import { type LogReading, locatedEvents } from './located-events.ts'

/** Generates the log as text, one event after the other. */
export async function* textLines(reading: LogReading): AsyncGenerator<string> {
  const matches = matcherOf(reading.filter)
  for await (const { event, attempt } of locatedEvents(reading)) {
    if (event && matches(event, attempt)) yield eventLine(event)
  }
}

const agentTypes = new Set<string>(Object.values(agentLogTypes))

/** Terminal sequences, and all control characters but tab and line break: a log may be shown in a terminal. */
const unprintable =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.)?|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

/** Writes an event as text. Further lines of its message are indented. */
const eventLine = ({ timestamp, level, type, step, message, attributes }: LogEvent): string => {
  const text = agentTypes.has(type) ? agentLine(attributes as unknown as NewAgentEvent) : message
  const printable = text.replaceAll('\r\n', '\n').replace(unprintable, '').replaceAll('\n', '\n    ')
  return `${timestamp} ${level.padEnd(7)} ${type}${step === null ? '' : ` [${step}]`} ${printable}\n`
}
