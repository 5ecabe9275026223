import type { NewAgentEvent, RunbookHost, RunbookPhase } from '../../model/runbooks/runbook-run.ts'

/** Larger than what the agent's reader keeps of a text plus its note about what was cut. */
const longestText = 65 * 1024

const bounded = (text: string): string =>
  text.length <= longestText ? text : `${text.slice(0, longestText)}… (${text.length} characters in all)`

/** Applies a function to every string of a JSON value, names of members included. */
export const withTexts = (value: unknown, change: (text: string) => string): unknown => {
  if (typeof value === 'string') return change(value)
  if (Array.isArray(value)) return value.map((item) => withTexts(item, change))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [change(key), withTexts(item, change)]))
}

/** Emits events whose texts are bounded and free of secrets. */
export const makeEmitEvents =
  (host: Pick<RunbookHost, 'tell'>, scrub: (text: string) => string) =>
  (event: NewAgentEvent): void =>
    host.tell(withTexts(event, (text) => bounded(scrub(text))) as NewAgentEvent)

export type EmitEvents = ReturnType<typeof makeEmitEvents>

export const phase = (name: RunbookPhase, message: string): NewAgentEvent => ({ type: 'phase', phase: name, message })
