import { useParams, useSearch } from '@tanstack/react-router'
import { useTitle } from '../../data/browser.ts'
import LineageView, { type LineageOf } from '../../parts/lineage/lineage-view.tsx'
import { Empty } from '../../ui/empty.tsx'

/** The name of what a lineage begins with. */
const beginning = ({ file, trajectory_id: run, dataset, item, model }: LineageOf): string | undefined =>
  file?.slice(file.lastIndexOf('/') + 1) ?? run ?? (item === undefined ? dataset : `${dataset} ${item}`) ?? model

/** Where a file, run, item, dataset or model came from, and what came of it. */
export const LineagePage = () => {
  const { collection = '' } = useParams({ strict: false })
  const of = useSearch({ strict: false }) as LineageOf
  const name = beginning(of)
  useTitle('Lineage', name ?? collection)
  return (
    <main className="flex min-h-0 flex-1 flex-col">
      <h1 className="shrink-0 truncate border-line border-b px-4 py-2 font-semibold text-15">
        Lineage{name === undefined ? '' : ` of ${name}`}
      </h1>
      {name === undefined ? (
        <Empty title="Lineage of what?">Open a run, an item or a dataset, and choose Lineage there.</Empty>
      ) : (
        <LineageView key={JSON.stringify(of)} collection={collection} of={of} />
      )}
    </main>
  )
}
