import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { Problem } from '../../../parts/problem.tsx'
import { bytesText } from '../../../text/bytes.ts'
import { DataRows } from './preview-table.tsx'
import { type DataPreview, rowsText } from './preview-text.ts'

interface DataPreviewProps {
  collection: string
  dataset: string
  number: number
}

/** The first rows of a data file as a table, or the sentence that says why there are none. */
export const DataFilePreview = ({ collection, dataset, number }: DataPreviewProps) => {
  const { data, error, refetch } = useQuery({
    queryKey: [...keys.dataset(collection, dataset), 'preview', number],
    queryFn: ({ signal }) =>
      api.previewDatasetData({ params: { collection, dataset, number: String(number) }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  })
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="text-muted">Reading the first rows…</p>
  return (
    <section aria-label="First rows" className="flex min-w-0 flex-col gap-2">
      <p className="text-12 text-muted">
        {rowsText(data)} · {data.columns.length} {data.columns.length === 1 ? 'column' : 'columns'} · {data.format}
        {data.member === null ? '' : ` · from ${data.member}`}
      </p>
      {data.columns.length === 0 ? <p className="text-muted">The file has no columns.</p> : <DataRows of={data} />}
      {data.members.length > 0 && <Members of={data} />}
    </section>
  )
}

const firstMembers = 20

/** What is in an archive. */
const Members = ({ of: { members, member } }: { of: DataPreview }) => {
  const [showsAll, showAll] = useState(false)
  const shown = showsAll ? members : members.slice(0, firstMembers)
  return (
    <section aria-label="In this archive">
      <h2 className="mb-1 font-medium text-12 text-muted">In this archive</h2>
      <ul className="divide-y divide-line border-line border-y text-12">
        {shown.map(({ name, size }) => (
          <li key={name} className={`flex gap-3 px-2 py-1 ${name === member ? 'bg-selection' : ''}`}>
            <span className="min-w-0 flex-1 truncate font-mono">{name}</span>
            {name === member && <span className="shrink-0 text-muted">shown above</span>}
            <span className="shrink-0 text-muted">{bytesText(size)}</span>
          </li>
        ))}
      </ul>
      {shown.length < members.length && (
        <button type="button" className="mt-1 text-12 text-accent" onClick={() => showAll(true)}>
          All {members.length.toLocaleString('en')} that were read
        </button>
      )}
    </section>
  )
}
