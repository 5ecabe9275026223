import { useQuery } from '@tanstack/react-query'
import { isObject } from '../../../src/lib/json/json-object.ts'
import type { RunAddress, RunStep } from '../../data/run.ts'
import { receivedSpanQuery } from '../../data/run-query.ts'
import { usdText } from '../../text/numbers.ts'
import { durationText } from '../../text/times.ts'
import { JsonTree } from '../json-tree/json-tree.tsx'
import { plainText } from '../log/plain-text.ts'
import { PageLink, runHref } from '../page-link.tsx'
import { Problem } from '../problem.tsx'
import { withPlaces } from '../with-places.ts'

const countOf = (count: number | null) => (count ?? 0).toLocaleString('en-US')

/** At most so many events are listed; the tree has all of them. */
const mostEvents = 200

interface SpanEvent {
  name: string
  /** Milliseconds since 1970. */
  at: number | undefined
  attributes: Record<string, unknown>
}

/** The events of a span, whatever was sent in their place. */
const eventsIn = (received: unknown): SpanEvent[] => {
  const events = isObject(received) && Array.isArray(received.events) ? received.events : []
  return events.filter(isObject).map(({ name, at_ms: at, attributes }) => ({
    name: typeof name === 'string' ? name : '',
    at: typeof at === 'number' ? at : undefined,
    attributes: isObject(attributes) ? attributes : {},
  }))
}

/** What another program sent of a step: events, attributes, and the resource that they come from. */
export const SpanView = ({ place, step }: { place: RunAddress; step: RunStep }) => {
  const { data, error, refetch } = useQuery(receivedSpanQuery(place, step.key))
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!isObject(data)) return <p className="text-muted">Loading…</p>
  const events = eventsIn(data)
  const begun = Date.parse(step.created)
  return (
    <div className="flex flex-col gap-4">
      {events.length > 0 && (
        <section aria-label="Events">
          <h3 className="mb-1 font-medium text-12 text-muted">Events</h3>
          <ol className="flex flex-col rounded-m border border-line">
            {withPlaces(events.slice(0, mostEvents)).map(({ element: { name, at, attributes }, place: number }) => (
              <li key={number} className="border-line border-b px-3 py-2 last:border-0">
                <p className="flex items-baseline gap-3">
                  <span className="min-w-0 flex-1 font-medium [overflow-wrap:anywhere]">{plainText(name)}</span>
                  {at !== undefined && (
                    <span className="shrink-0 text-12 text-muted tabular-nums">
                      {at < begun ? '−' : '+'}
                      {durationText(Math.abs(at - begun) / 1000)}
                    </span>
                  )}
                </p>
                {Object.keys(attributes).length > 0 && (
                  <JsonTree value={attributes} path={`${step.key}.events.${number}`} label={`event ${number + 1}`} />
                )}
              </li>
            ))}
          </ol>
          {events.length > mostEvents && (
            <p className="mt-1 text-12 text-muted">{events.length - mostEvents} more events were sent.</p>
          )}
        </section>
      )}
      {(['attributes', 'resource'] as const).map((part) => (
        <section key={part} aria-label={part}>
          <h3 className="mb-1 font-medium text-12 text-muted">
            {part === 'attributes' ? 'Attributes' : 'Resource: the program that sent it'}
          </h3>
          <JsonTree value={data[part] ?? {}} path={`${step.key}.${part}`} label={part} />
        </section>
      ))}
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-1 text-12">
        {spanFacts(step).map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-muted">{name}</dt>
            <dd className="font-mono [overflow-wrap:anywhere]">{plainText(value)}</dd>
          </div>
        ))}
      </dl>
    </div>
  )
}

const counts = {
  prompt_tokens: { name: 'tokens in', text: countOf },
  completion_tokens: { name: 'tokens out', text: countOf },
  cost_usd: { name: '', text: usdText },
}

/** Who else has recorded the call of a span, and what its sender says otherwise. */
export const SpanWitnesses = ({ place, step }: { place: RunAddress; step: RunStep }) => {
  const { call, differs, counted_elsewhere: isCountedElsewhere } = step.span ?? {}
  if (!call && !isCountedElsewhere) return null
  const differences = Object.entries(counts).flatMap(([name, { name: unit, text }]) => {
    const one = differs?.[name]
    return one ? [`${text(one.sent)} instead of ${text(one.counted)}${unit && ` ${unit}`}`] : []
  })
  return (
    <p
      className={`mx-4 mt-2 rounded-m border px-3 py-2 text-12 ${differences.length > 0 ? 'border-wait' : 'border-line'}`}
    >
      {call && (
        <>
          Tokens and cost are those that the gateway has counted:{' '}
          <PageLink
            href={runHref({ collection: place.collection, ...call })}
            className="text-accent underline-offset-2 hover:underline"
          >
            its record
          </PageLink>
          .{' '}
        </>
      )}
      {differences.length > 0 && `The program has sent ${differences.join(', ')}. `}
      {isCountedElsewhere && 'Another span records the same call, so they count there.'}
    </p>
  )
}

const spanFacts = ({ span }: RunStep): [name: string, value: string][] =>
  span === undefined
    ? []
    : [
        ['Span', span.id],
        ['Parent', span.parent ?? 'none: it is a root'],
        ['Library', span.scope],
      ]
