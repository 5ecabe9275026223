import type { api } from '../../../../data/api.ts'
import { withPlaces } from '../../../../parts/with-places.ts'
import { itemText } from '../item-text.ts'

type Check = Awaited<ReturnType<typeof api.checkItems>>

const words = [
  ['added', 'new'],
  ['changed', 'changed'],
  ['removed', 'removed'],
  ['unchanged', 'the same as now'],
] as const

const marks = { added: '+', changed: '≠', unchanged: '=' } as const

/** What a write would come to: the counts, the rows that are refused with their reasons, and the first that fit. */
export const CheckedItems = ({ check }: { check: Check }) => (
  <section aria-label="What would be written" className="flex min-w-0 flex-col gap-3">
    <p className="flex flex-wrap gap-x-4">
      {words.map(([name, text]) => (
        <span key={name} className={check[name] === 0 ? 'text-muted' : ''}>
          <span className="font-medium">{check[name].toLocaleString('en')}</span> {text}
        </span>
      ))}
      {check.refused_count > 0 && (
        <span className="text-bad">
          <span className="font-medium">{check.refused_count.toLocaleString('en')}</span> refused
        </span>
      )}
    </p>
    {check.warnings?.map(({ message }) => (
      <p key={message} role="status" className="border-wait border-l-2 pl-2 [overflow-wrap:anywhere]">
        {message}
      </p>
    ))}
    {check.refused.length > 0 && <Refused check={check} />}
    <ul aria-label="Rows that fit" className="divide-y divide-line border-line border-y empty:hidden">
      {check.items.map(({ line, id, change, data }) => (
        <li key={line} className="flex items-baseline gap-3 px-2 py-1 text-12">
          <span className="w-10 shrink-0 text-right text-muted">{line}</span>
          <span className="w-18 shrink-0 text-muted">
            {marks[change]} {change}
          </span>
          <span className="max-w-40 shrink-0 truncate font-mono">{id}</span>
          <span className="min-w-0 flex-1 truncate text-muted">{itemText(data)}</span>
        </li>
      ))}
    </ul>
  </section>
)

const Refused = ({ check: { refused, refused_count: count } }: { check: Check }) => (
  <div>
    <p className="mb-1">Correct these rows and check again: nothing is written while a row is refused.</p>
    <ul aria-label="Refused rows" className="divide-y divide-line border-line border-y">
      {withPlaces(refused).map(({ element: { line, id, pointer, message }, place }) => (
        <li key={place} className="flex flex-wrap items-baseline gap-x-3 px-2 py-1 text-12">
          <span className="text-muted">line {line}</span>
          <span className="max-w-40 truncate font-mono">{id}</span>
          <span className="min-w-0 flex-1 [overflow-wrap:anywhere]">
            {pointer && <code className="mr-2">{pointer}</code>}
            {message}
          </span>
        </li>
      ))}
    </ul>
    {count > refused.length && <p className="mt-1 text-12 text-muted">These are the first faults.</p>}
  </div>
)
