import pc from 'picocolors'
import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import { duration, type Output } from '../show/output.ts'
import { makeProgressLine } from '../show/progress-line.ts'
import { makeAgentState } from './agent-state.ts'
import { eventText } from './agent-text.ts'

export interface RunbookProgress {
  tell(event: NewAgentEvent): void
  /** Takes away what moves. */
  stop(): void
}

/** Shows on stderr what an agent does while it does it, and in a terminal a line that moves. */
export const makeRunbookProgress = (out: Output): RunbookProgress => {
  const begun = Date.now()
  const agent = makeAgentState()
  const line = out.isJson
    ? undefined
    : makeProgressLine(() => `${agent.text()} ${pc.dim(duration((Date.now() - begun) / 1000))}`, 60)
  return {
    tell(event) {
      agent.tell(event)
      const text = eventText(event)
      if (text === undefined) return
      line?.clear()
      out.note(text)
    },
    stop: () => line?.stop(),
  }
}
