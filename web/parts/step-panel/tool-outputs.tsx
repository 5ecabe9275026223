import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { StepCall } from '../../../src/model/runs/step-call.ts'
import type { RunAddress, WholeStep } from '../../data/run.ts'
import { largeValueQuery, stepCallsQuery } from '../../data/step.ts'
import { type Conversation, conversationOf } from '../conversation/conversation.ts'
import { ConversationView } from '../conversation/conversation-view.tsx'
import { outputsSoFar } from '../conversation/tool-turns.ts'
import { Problem } from '../problem.tsx'

/** Whether the model of a step may call tools. */
export const hasTools = ({ config }: Pick<WholeStep, 'config'>): boolean => Array.isArray(config.tools)

interface ToolConversationProps {
  step: WholeStep
  place: RunAddress
}

/** The conversation of a step with tools, turn by turn; of one that is at work what it has recorded so far. */
export const ToolConversation = ({ step, place }: ToolConversationProps) =>
  step.ended === null ? <Live step={step} place={place} /> : <Ended step={step} place={place} />

const Live = ({ step, place }: ToolConversationProps) => {
  const { data, error, refetch } = useQuery(stepCallsQuery(place, step.key))
  const conversation = useMemo(() => data && soFar(step, data), [step, data])
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!conversation) return <p className="text-muted">Loading…</p>
  return <ConversationView conversation={conversation} collection={place.collection} />
}

/** The question from the inputs, and after it what the records have. */
const soFar = (step: WholeStep, records: readonly StepCall[]): Conversation | undefined => {
  const asked = conversationOf({ ...step, outputs: {} }, {})
  const said = conversationOf({ ...step, inputs: {}, outputs: outputsSoFar(records) }, {})
  return asked && said && { ...asked, messages: [...asked.messages, ...said.messages] }
}

const Ended = ({ step, place }: ToolConversationProps) => {
  const isLarge = step.large_values.includes('/outputs/messages')
  const { data, error, refetch } = useQuery({
    ...largeValueQuery(place, step.key, 'outputs', 'messages'),
    enabled: isLarge,
  })
  const conversation = useMemo(
    () => conversationOf({ ...step, outputs: isLarge ? { ...step.outputs, messages: data } : step.outputs }, {}),
    [step, isLarge, data],
  )
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!conversation || (isLarge && !data)) return <p className="text-muted">Loading…</p>
  return <ConversationView conversation={conversation} collection={place.collection} />
}
