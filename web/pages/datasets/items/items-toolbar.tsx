import { useQuery } from '@tanstack/react-query'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { SearchField } from '../../../parts/search-field.tsx'
import { Button, buttonClass } from '../../../ui/button.tsx'
import { SelectField } from '../../../ui/field.tsx'
import { Popover } from '../../../ui/popover.tsx'
import type { DatasetProps } from '../dataset-props.ts'

/** Which items are shown: those of a split and of a version, with a text. */
export interface ItemsShown {
  split: string
  /** Index of a version; empty: the newest one. */
  version: string
  /** A text in the id or data of an item; empty: all items. */
  q: string
}

interface ItemsToolbarProps extends DatasetProps {
  total: number
  shown: ItemsShown
  onShow: (next: Partial<ItemsShown>) => void
  onAdd: (what: 'one' | 'many') => void
}

/** How many items there are, which are shown, and what can be done with them. */
export const ItemsToolbar = ({ collection, dataset, total, shown, onShow, onAdd }: ItemsToolbarProps) => {
  const mayWrite = useMayWrite()
  const { name, splits } = dataset
  const versions = useTaggedVersions(collection, name)
  const query = new URLSearchParams({
    ...(shown.version === '' ? {} : { version: `~${shown.version}` }),
    ...(shown.split === '' ? {} : { split: shown.split }),
  })
  const exported = `/api/v1/datasets/${encodeURIComponent(collection)}/${encodeURIComponent(name)}/items/export?${query}`
  const isListed = versions.some(([index]) => index === shown.version)
  const chosen = shown.version === '' || isListed ? [] : [[shown.version, `v${shown.version}`] as const]
  return (
    <div className="flex shrink-0 flex-wrap items-center gap-2 border-line border-b px-4 py-2">
      <span className="text-muted">
        {total.toLocaleString('en')} {total === 1 ? 'item' : 'items'}
      </span>
      {(total > 0 || shown.q !== '') && (
        <SearchField
          label="Search items"
          placeholder="Search id and data"
          place="Items of a dataset"
          text={shown.q}
          onChange={(q) => onShow({ q })}
        />
      )}
      {splits && (
        <SelectField
          label="Split"
          hidesLabel
          value={shown.split}
          options={[['', 'All splits'], ...Object.keys(splits).map((one) => [one, one] as const)]}
          onChange={(event) => onShow({ split: event.target.value })}
        />
      )}
      {(versions.length > 0 || chosen.length > 0) && (
        <SelectField
          label="Version"
          hidesLabel
          value={shown.version}
          options={[['', `Newest, v${dataset.version}`], ...chosen, ...versions]}
          onChange={(event) => onShow({ version: event.target.value })}
        />
      )}
      <span className="flex-1" />
      {mayWrite && shown.version === '' && (
        <>
          <Button icon="plus" onClick={() => onAdd('one')}>
            Add an item
          </Button>
          <Button icon="plus" onClick={() => onAdd('many')}>
            Add many
          </Button>
        </>
      )}
      {total > 0 && <Export address={exported} />}
    </div>
  )
}

const formats = [
  ['csv', 'CSV'],
  ['jsonl', 'JSON lines'],
  ['json', 'JSON'],
  ['parquet', 'Parquet'],
] as const

/** The items as a file, in a format to choose. */
const Export = ({ address }: { address: string }) => (
  <Popover button="Export" side="left" boxClass="p-1">
    {(close) => (
      <ul>
        {formats.map(([format, text]) => (
          <li key={format}>
            <a
              href={`${address}&format=${format}`}
              download
              className={`${buttonClass('quiet')} w-full`}
              onClick={close}
            >
              {text}
            </a>
          </li>
        ))}
      </ul>
    )}
  </Popover>
)

/** Versions that have a tag, newest first, as choices. */
const useTaggedVersions = (collection: string, dataset: string): (readonly [string, string])[] => {
  const { data } = useQuery({
    queryKey: [...keys.dataset(collection, dataset), 'tagged'],
    queryFn: ({ signal }) =>
      api.listDatasetVersions({ params: { collection, dataset }, query: { limit: 100 }, signal }),
  })
  return (data?.versions ?? []).flatMap(({ index, tags }) =>
    tags.length === 0 ? [] : [[String(index), `v${index} ${tags.join(', ')}`] as const],
  )
}
