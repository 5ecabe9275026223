/** Types of log events that make up a transcript. */
export const agentEventTypes = [
  'agent_phase',
  'agent_message',
  'agent_tool_call',
  'agent_tool_result',
  'model_call',
  'agent_warning',
  'agent_error',
  'agent_end',
]
