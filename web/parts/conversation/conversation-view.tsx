import { countText, usdText } from '../../text/numbers.ts'
import { durationText } from '../../text/times.ts'
import { Icon } from '../../ui/icon.tsx'
import { JsonTree } from '../json-tree/json-tree.tsx'
import { Media } from '../media/media.tsx'
import { shownAs } from '../media/media-kind.ts'
import { TextView } from '../text-view/text-view.tsx'
import { withPlaces } from '../with-places.ts'
import type { Conversation, Message, MessagePart, TokenCount } from './conversation.ts'

/** A call of a model as what it was: a conversation, with what it took. */
export const ConversationView = ({ conversation, collection }: { conversation: Conversation; collection: string }) => (
  <div className="flex flex-col gap-3">
    <Facts conversation={conversation} />
    <ol className="flex flex-col">
      {withPlaces(conversation.messages).map(({ element: message, place: at }) => (
        <MessageBox key={at} message={message} isAnswer={at >= conversation.asked} collection={collection} />
      ))}
    </ol>
  </div>
)

const Facts = ({ conversation }: { conversation: Conversation }) => {
  const { model, provider, tokens, costUsd, finish, firstTokenMs, totalMs, knobs } = conversation
  const facts: [string, string | undefined][] = [
    ['Model', provider === undefined || model.startsWith(`${provider}/`) ? model : `${model} at ${provider}`],
    ['Tokens', tokens && tokensText(tokens)],
    ['Cost', costUsd === undefined ? undefined : usdText(costUsd, tokens?.isEstimated)],
    ['First token', firstTokenMs === undefined ? undefined : durationText(firstTokenMs / 1000)],
    ['Took', totalMs === undefined ? undefined : durationText(totalMs / 1000)],
    ['Ended by', finish],
    ...knobs
      .slice(0, 12)
      .map(([name, value]): [string, string] => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  ]
  return (
    <dl className="flex flex-wrap gap-x-5 gap-y-1">
      {facts.map(
        ([name, value]) =>
          value !== undefined && (
            <div key={name} className="min-w-0 max-w-full">
              <dt className="text-11 text-faint">{name}</dt>
              <dd className="truncate" title={value}>
                {value}
              </dd>
            </div>
          ),
      )}
    </dl>
  )
}

/** Counts of tokens: `12 in · 34 out`; `about` before an estimate. */
export const tokensText = ({ sent, answered, cached, reasoned, isEstimated }: TokenCount): string =>
  [
    `${isEstimated ? 'about ' : ''}${countText(sent)} in${cached ? ` (${countText(cached)} cached)` : ''}`,
    `${countText(answered)} out${reasoned ? ` (${countText(reasoned)} thought)` : ''}`,
  ].join(' · ')

const roles: Record<string, string> = {
  system: 'System',
  developer: 'System',
  user: 'User',
  assistant: 'Assistant',
  tool: 'Tool',
}

/** A message with who said it. */
export const MessageBox = ({
  message,
  isAnswer,
  collection,
}: {
  message: Message
  isAnswer: boolean
  collection: string
}) => (
  <li className={`flex flex-col gap-1 border-l-2 py-1.5 pl-3 ${isAnswer ? 'border-accent' : 'border-line'}`}>
    <span className="flex flex-wrap items-baseline gap-x-2 text-12 text-muted">
      <span className="font-medium">
        {roles[message.role] ?? message.role}
        {message.name === undefined ? '' : ` · ${message.name}`}
      </span>
      {message.facts && <span className="min-w-0 truncate">{message.facts.text}</span>}
    </span>
    <MessageParts parts={message.parts} isProse={message.role === 'assistant'} collection={collection} />
    {message.parts.length === 0 && <span className="text-faint">nothing</span>}
  </li>
)

/** What was said in one message. None of it is ever executed or loaded from elsewhere. */
export const MessageParts = ({
  parts,
  isProse,
  collection,
}: {
  parts: readonly MessagePart[]
  /** A model wrote it, which is shown as Markdown where it looks like it. */
  isProse: boolean
  collection: string
}) =>
  withPlaces(parts).map(({ element: part, place: at }) => (
    <Part key={at} part={part} isProse={isProse} collection={collection} />
  ))

const Part = ({ part, isProse, collection }: { part: MessagePart; isProse: boolean; collection: string }) => {
  switch (part.kind) {
    case 'text':
      return <TextView text={part.text} isProse={isProse || !part.text.trimStart().startsWith('{')} />
    case 'thought':
      return (
        <details className="text-muted">
          <summary className="text-12">Thought</summary>
          <TextView text={part.text} isProse />
        </details>
      )
    case 'image':
      return <Picture source={part.source} collection={collection} />
    case 'call':
      return (
        <ToolCard title={part.name || 'a tool'} icon="play" id={part.id}>
          <Value value={part.arguments} label="arguments" />
        </ToolCard>
      )
    case 'result':
      return (
        <ToolCard title={part.failed ? 'Tool failed' : 'Result'} icon={part.failed ? 'warning' : 'tick'} id={part.id}>
          <Value value={part.content} label="result" />
        </ToolCard>
      )
    default:
      return <JsonTree value={part.value} path="" label="part of the message" />
  }
}

const ToolCard = ({
  title,
  icon,
  id,
  children,
}: {
  title: string
  icon: 'play' | 'tick' | 'warning'
  id: string
  children: React.ReactNode
}) => (
  <details className="rounded-m border border-line" open>
    <summary className="flex items-center gap-2 px-2 py-1">
      <Icon name={icon} className={icon === 'warning' ? 'text-bad' : 'text-muted'} />
      <span className="min-w-0 flex-1 truncate font-mono text-12">{title}</span>
      <span className="truncate font-mono text-11 text-faint">{id}</span>
    </summary>
    <div className="border-line border-t p-2">{children}</div>
  </details>
)

const Value = ({ value, label }: { value: unknown; label: string }) =>
  typeof value === 'string' ? <TextView text={value} /> : <JsonTree value={value} path="" label={label} />

/** Stored images and those within the message are shown; others would tell their host who looks, and stay addresses. */
const Picture = ({ source, collection }: { source: string; collection: string }) => {
  if (source.startsWith(`${collection}/`)) {
    const name = source.slice(source.lastIndexOf('/') + 1)
    return <Media file={{ path: source, name, contentType: undefined, size: undefined, kind: shownAs(name) }} />
  }
  if (/^data:image\/(png|jpeg|gif|webp);base64,/.test(source)) {
    return (
      <img src={source} alt="in the message" className="max-h-60 max-w-full self-start rounded-m border border-line" />
    )
  }
  return <code className="break-all font-mono text-12 text-muted">{source.slice(0, 300)}</code>
}
