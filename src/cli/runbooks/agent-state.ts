import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import { quantity, safe } from '../show/output.ts'

interface AgentProgress {
  tell(event: NewAgentEvent): void
  /** Current state of a runbook in a few words. */
  text(): string
}

/** Tracks the state of a running runbook from its events. */
export const makeAgentState = (): AgentProgress => {
  let phase = 'preparing'
  let calls = 0
  let tokens = 0
  return {
    tell(event) {
      if (event.type === 'phase') phase = event.phase
      if (event.type !== 'usage') return
      calls++
      tokens += event.prompt_tokens + event.completion_tokens
    },
    text: () =>
      calls === 0 ? safe(phase) : `${safe(phase)} · ${quantity(calls, 'call')}, ${quantity(tokens, 'token')}`,
  }
}
