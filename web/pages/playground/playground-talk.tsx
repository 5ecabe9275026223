import { memo, useLayoutEffect, useMemo, useRef } from 'react'
import { parsedJson } from '../../../src/lib/json/json-object.ts'
import type { MessagePart } from '../../parts/conversation/conversation.ts'
import { MessageBox, MessageParts, tokensText } from '../../parts/conversation/conversation-view.tsx'
import { JsonTree } from '../../parts/json-tree/json-tree.tsx'
import { environmentHref, PageLink, runHref } from '../../parts/page-link.tsx'
import { withPlaces } from '../../parts/with-places.ts'
import { usdText } from '../../text/numbers.ts'
import { durationText } from '../../text/times.ts'
import { IconButton } from '../../ui/button.tsx'
import { CopyButton } from '../../ui/copy.tsx'
import { Empty } from '../../ui/empty.tsx'
import { answerParts, type PlaygroundAnswer, type Refusal } from './answers/answer.ts'
import { chatStep, chatTask } from './answers/recorded-call.ts'
import type { AskedTurn, PlaygroundDraft } from './draft/draft.ts'

/** Whether another key would help: there is none, or the provider refused it. */
const needsKey = ({ code, providerStatus }: Refusal): boolean =>
  code === 'model_unavailable' || providerStatus === 401 || providerStatus === 403

/** Why there is no answer, and what to do. */
const RefusalBox = ({ refusal, collection }: { refusal: Refusal; collection: string }) => (
  <div role="alert" className="flex flex-col gap-1">
    <p className="whitespace-pre-wrap text-bad [overflow-wrap:anywhere]">{refusal.message}</p>
    {needsKey(refusal) && (
      <p>
        <PageLink href={environmentHref(collection)} className="text-accent">
          Set the key in the environment of {collection}
        </PageLink>
      </p>
    )}
    {refusal.hint && <p className="text-muted [overflow-wrap:anywhere]">{refusal.hint}</p>}
  </div>
)

const states = { streaming: 'answering', done: '', stopped: 'stopped', failed: 'failed' } as const

interface AnswerBoxProps {
  answer: PlaygroundAnswer
  collection: string
}

/** What one model answered, with what it took, and where it is recorded. Others that stream do not draw it again. */
const AnswerBox = memo(({ answer, collection: current }: AnswerBoxProps) => {
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

interface PlaygroundTalkProps {
  draft: Pick<PlaygroundDraft, 'earlier' | 'turns'>
  collection: string
  isAnswering: boolean
  onEdit: (turn: number) => void
  onAgain: (turn: number) => void
}

/** How close to the end, in pixels, the page must stand to follow what comes. */
const nearEnd = 80

/** What was said so far. It follows the answers while its end is in view. */
export const PlaygroundTalk = ({ draft, collection, isAnswering, onEdit, onAgain }: PlaygroundTalkProps) => {
  const box = useRef<HTMLElement>(null)
  const follows = useRef(true)
  const { earlier, turns } = draft
  // biome-ignore lint/correctness/useExhaustiveDependencies: each piece of an answer makes new turns
  useLayoutEffect(() => {
    if (box.current && follows.current) box.current.scrollTop = box.current.scrollHeight
  }, [turns])
  return (
    <section
      ref={box}
      aria-label="Conversation"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the keys scroll it
      tabIndex={0}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        follows.current = scrollHeight - scrollTop - clientHeight < nearEnd
      }}
      className="min-h-0 flex-1 overflow-auto px-4 py-3"
    >
      {earlier.length === 0 && turns.length === 0 && (
        <Empty title="Ask a model" command={`jetty chat -c ${collection} -m scripted/echo "Hello"`}>
          Write a question below. Each call is recorded in {collection} with what it cost. A second model answers the
          same question beside the first. Drop or paste images to ask about them.
        </Empty>
      )}
      {earlier.length > 0 && <Earlier earlier={earlier} collection={collection} />}
      <ol aria-label="Questions and answers" className="flex flex-col gap-4">
        {turns.map((turn) => (
          <li key={turn.id} className="flex min-w-0 flex-col gap-3">
            <Question turn={turn} collection={collection} isFixed={isAnswering} onEdit={onEdit} onAgain={onAgain} />
            <div className={`grid gap-4 ${turn.answers.length > 1 ? 'lg:grid-cols-2' : ''}`}>
              {withPlaces(turn.answers).map(({ element: answer, place }) => (
                <AnswerBox key={place} answer={answer} collection={collection} />
              ))}
            </div>
          </li>
        ))}
      </ol>
    </section>
  )
}

const Earlier = memo(
  ({ earlier, collection }: Pick<PlaygroundTalkProps['draft'], 'earlier'> & { collection: string }) => (
    <ol aria-label="Before this" className="mb-3 flex flex-col">
      {withPlaces(earlier).map(({ element: message, place }) => (
        <MessageBox key={place} message={message} isAnswer={false} collection={collection} />
      ))}
    </ol>
  ),
)

const partsOf = ({ text, pictures }: QuestionText): MessagePart[] => [
  ...pictures.map(({ url }) => ({ kind: 'image' as const, source: url })),
  ...(text.trim() === '' ? [] : [{ kind: 'text' as const, text }]),
]

type QuestionText = Pick<AskedTurn, 'text' | 'pictures'>

const QuestionParts = memo(({ text, pictures, collection }: QuestionText & { collection: string }) => {
  const parts = partsOf({ text, pictures })
  if (parts.length === 0) return <span className="text-muted">Asked to go on</span>
  return <MessageParts parts={parts} isProse={false} collection={collection} />
})

const Question = ({
  turn,
  collection,
  isFixed,
  onEdit,
  onAgain,
}: Pick<PlaygroundTalkProps, 'collection' | 'onEdit' | 'onAgain'> & { turn: AskedTurn; isFixed: boolean }) => (
  <div className="flex min-w-0 gap-2 border-line border-l-2 pl-3">
    <div className="flex min-w-0 flex-1 flex-col gap-1">
      <span className="font-medium text-12 text-muted">You</span>
      <QuestionParts text={turn.text} pictures={turn.pictures} collection={collection} />
    </div>
    <span className="flex shrink-0">
      <IconButton icon="edit" label="Change this question" disabled={isFixed} onClick={() => onEdit(turn.id)} />
      <IconButton icon="again" label="Ask this again" disabled={isFixed} onClick={() => onAgain(turn.id)} />
    </span>
  </div>
)
