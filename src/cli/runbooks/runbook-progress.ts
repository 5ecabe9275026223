import pc from 'picocolors'
import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import { type CommandOutput, duration } from '../show/output.ts'
import { makeProgressLine } from '../show/progress-line.ts'
import { makeAgentState } from './agent-state.ts'
import { agentEventText } from './agent-text.ts'

interface RunbookProgress {
  tell(event: NewAgentEvent): void
  /** Removes the progress line. */
  stop(): void
}

/** Shows an agent's activity on stderr, with a progress line in a terminal. */
export const makeRunbookProgress = (out: CommandOutput): RunbookProgress => {
  const begun = Date.now()
  const agent = makeAgentState()
  const line = out.isJson
    ? undefined
    : makeProgressLine(() => `${agent.text()} ${pc.dim(duration((Date.now() - begun) / 1000))}`, 60)
  return {
    tell(event) {
      agent.tell(event)
      const text = agentEventText(event)
      if (text === undefined) return
      line?.clear()
      out.note(text)
    },
    stop: () => line?.stop(),
  }
}
