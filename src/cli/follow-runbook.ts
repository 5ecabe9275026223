import type { NewAgentEvent } from '../model/runbook-run.ts'
import { followRun, type LogLine, type Trajectory } from './follow-run.ts'
import type { RunPlace } from './places.ts'
import { eventText } from './runbook-progress.ts'
import type { Session } from './session.ts'

/** The event of an agent that a log line of a run stands for. */
const agentEventOf = ({ type, attributes }: LogLine): NewAgentEvent | undefined =>
  (type.startsWith('agent_') || type === 'model_call') && typeof attributes?.type === 'string'
    ? (attributes as NewAgentEvent)
    : undefined

/** Watches a run whose step is a runbook: what its agent does is shown as it is without a server. */
export const followRunbook = (session: Session, place: RunPlace, isStream: boolean): Promise<Trajectory> =>
  followRun(session, place, false, (log) => {
    const event = agentEventOf(log)
    if (event === undefined) return undefined
    if (isStream) session.out.print(JSON.stringify(event))
    return eventText(event) ?? null
  })
