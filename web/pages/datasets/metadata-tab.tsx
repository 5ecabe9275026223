import { JsonTree } from '../../parts/json-tree/json-tree.tsx'
import { Empty } from '../../ui/empty.tsx'
import type { DatasetProps } from './dataset-tabs.ts'

/** What describes a dataset: Croissant metadata, the schema of its items, and its splits. */
const MetadataTab = ({ dataset }: DatasetProps) => {
  const { croissant_metadata: croissant, dataset_metadata: metadata, item_schema: schema, splits } = dataset
  const parts = [
    ['Croissant', croissant],
    ['Metadata', metadata],
    ['Schema of its items', schema],
    ['Splits', splits],
  ] as const
  const known = parts.filter(([, value]) => value !== null)
  if (known.length === 0) {
    return <Empty title="Nothing describes this dataset">Store Croissant metadata or a schema over the API.</Empty>
  }
  return (
    <div data-scroll-restoration-id="page" className="flex min-h-0 flex-1 flex-col gap-6 overflow-auto p-4">
      {known.map(([name, value]) => (
        <section key={name} className="min-w-0">
          <h2 className="mb-1 font-semibold text-15">{name}</h2>
          <JsonTree value={value} path="" label={name} />
        </section>
      ))}
    </div>
  )
}

export default MetadataTab
