import { memo, useLayoutEffect, useRef } from 'react'
import type { MessagePart } from '../../parts/conversation/conversation.ts'
import { MessageBox, MessageParts } from '../../parts/conversation/conversation-view.tsx'
import { withPlaces } from '../../parts/with-places.ts'
import { IconButton } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'
import { AnswerBox } from './answers/answer-box.tsx'
import type { AskedTurn, PlaygroundDraft } from './draft/draft.ts'

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
