import type { NewAgentEvent, RunbookHost, RunbookPhase } from '../model/runbook-run.ts'

const longestText = 64 * 1024

const bounded = (text: string): string =>
  text.length <= longestText ? text : `${text.slice(0, longestText)}… (${text.length} characters in all)`

const clean = (value: unknown, scrub: (text: string) => string): unknown => {
  if (typeof value === 'string') return bounded(scrub(value))
  if (Array.isArray(value)) return value.map((item) => clean(item, scrub))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [scrub(key), clean(item, scrub)]))
}

/** Tells what happens, every text of it bounded and free of secrets. */
export const makeTell =
  (host: Pick<RunbookHost, 'tell'>, scrub: (text: string) => string) =>
  (event: NewAgentEvent): void =>
    host.tell(clean(event, scrub) as NewAgentEvent)

export type Tell = ReturnType<typeof makeTell>

export const phase = (name: RunbookPhase, message: string): NewAgentEvent => ({ type: 'phase', phase: name, message })
