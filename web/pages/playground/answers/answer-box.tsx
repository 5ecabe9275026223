import { memo, useMemo } from 'react'
import { parsedJson } from '../../../../src/lib/json/json-object.ts'
import { MessageParts, tokensText } from '../../../parts/conversation/conversation-view.tsx'
import { JsonTree } from '../../../parts/json-tree/json-tree.tsx'
import { PageLink, runHref } from '../../../parts/page-link.tsx'
import { usdText } from '../../../text/cost.ts'
import { durationText } from '../../../text/duration.ts'
import { CopyButton } from '../../../ui/copy.tsx'
import { answerParts, type PlaygroundAnswer } from './answer.ts'
import { chatStep, chatTask } from './recorded-call.ts'
import { RefusalBox } from './refusal-box.tsx'

const states = { streaming: 'answering', done: '', stopped: 'stopped', failed: 'failed' } as const

interface AnswerBoxProps {
  answer: PlaygroundAnswer
  collection: string
}

/** What one model answered, with what it took, and where it is recorded. Others that stream do not draw it again. */
export const AnswerBox = memo(({ answer, collection: current }: AnswerBoxProps) => {
  const collection = answer.collection ?? current
  const { model, state, refusal, warnings } = answer
  return (
    <article
      aria-label={`Answer of ${model}`}
      aria-busy={state === 'streaming'}
      className="flex min-w-0 flex-col gap-2 border-accent border-l-2 py-1 pl-3"
    >
      <h2 className="flex h-7 items-center gap-2 text-12 text-muted">
        <span className="min-w-0 truncate font-medium font-mono">{model}</span>
        <span className="flex-1">{states[state]}</span>
        {answer.text !== '' && <CopyButton text={answer.text} label="Copy the answer" />}
      </h2>
      <AnswerContent answer={answer} collection={collection} />
      {refusal && <RefusalBox refusal={refusal} collection={collection} />}
      {warnings && <p className="text-12 text-muted [overflow-wrap:anywhere]">Not sent: {warnings}</p>}
      <AnswerFacts answer={answer} collection={collection} />
    </article>
  )
})

/** While it streams, a text as it comes; then Markdown, a tree of JSON, or calls of tools. */
const AnswerContent = ({ answer, collection }: { answer: PlaygroundAnswer; collection: string }) => {
  const { state, text, thought } = answer
  const json = useMemo(
    () => (state !== 'streaming' && /^\s*[{[]/.test(text) ? parsedJson(text) : undefined),
    [state, text],
  )
  if (state === 'streaming') {
    if (text === '' && thought === '') return <p className="text-faint">Waiting for the first token…</p>
    return (
      <>
        {text === '' && <p className="whitespace-pre-wrap text-muted [overflow-wrap:anywhere]">{thought}</p>}
        <p className="whitespace-pre-wrap [overflow-wrap:anywhere]">{text}</p>
      </>
    )
  }
  if (json !== undefined) {
    return (
      <>
        <MessageParts parts={answerParts({ ...answer, text: '' })} isProse collection={collection} />
        <JsonTree value={json} path="" label="answer" />
      </>
    )
  }
  const parts = answerParts(answer)
  if (parts.length === 0) return state === 'failed' ? null : <p className="text-faint">No text</p>
  return <MessageParts parts={parts} isProse collection={collection} />
}

const factsOf = ({ tokens, costUsd, isEstimated, firstTokenMs, totalMs, finish }: PlaygroundAnswer): string[] =>
  [
    tokens && tokensText(tokens),
    costUsd === undefined
      ? undefined
      : costUsd === null
        ? 'cost unknown'
        : usdText(costUsd, isEstimated || tokens?.isEstimated),
    firstTokenMs === undefined ? undefined : `first token ${durationText(firstTokenMs / 1000)}`,
    totalMs === undefined ? undefined : durationText(totalMs / 1000),
    finish === undefined || finish === 'stop' ? undefined : `ended by ${finish}`,
  ].filter((fact) => fact !== undefined)

const AnswerFacts = ({ answer, collection }: { answer: PlaygroundAnswer; collection: string }) => {
  if (answer.state === 'streaming') return null
  const { recordId: id, isUnrecorded } = answer
  return (
    <p className="flex flex-wrap gap-x-2 text-12 text-muted">
      <span>{factsOf(answer).join(' · ')}</span>
      {id !== undefined && !isUnrecorded && (
        <PageLink
          href={runHref({ collection, task: chatTask, trajectory_id: id }, chatStep)}
          className="whitespace-nowrap text-accent"
        >
          Recorded as {id}
        </PageLink>
      )}
      {isUnrecorded && <span>Not recorded: {collection} records no calls</span>}
    </p>
  )
}
