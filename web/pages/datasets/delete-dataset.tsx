import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { Confirm, Lost } from '../../parts/confirm.tsx'
import { showToast } from '../../ui/toast.tsx'
import type { DatasetProps } from './dataset-props.ts'

/** From so many items on the name has to be typed. */
const manyItems = 100

/** Deletes a dataset, after it has said what is lost. */
export const DeleteDataset = ({ collection, dataset, onClose }: DatasetProps & { onClose: () => void }) => {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const params = { collection, dataset: dataset.name }
  const items = useQuery({
    queryKey: [...keys.dataset(collection, dataset.name), 'counted'],
    queryFn: ({ signal }) => api.listItems({ params, query: { limit: 1 }, signal }),
  })
  const files = useQuery({
    queryKey: [...keys.dataset(collection, dataset.name), 'files-counted'],
    queryFn: ({ signal }) => api.listDatasetData({ params, query: { limit: 1000 }, signal }),
  })
  const total = items.data?.total ?? 0
  return (
    <Confirm
      title={`Delete ${dataset.name}?`}
      action="Delete it"
      typed={total >= manyItems ? dataset.name : undefined}
      isLoading={items.isPending}
      work={() => api.deleteDataset({ params })}
      onDone={() => {
        showToast({ text: `Deleted ${dataset.name}` })
        void queries.invalidateQueries({ queryKey: keys.datasets(collection) })
        void navigate({ to: '/$collection/-/datasets', params: { collection } })
      }}
      onClose={onClose}
      command={`jetty datasets rm ${collection}/${dataset.name}`}
    >
      <p>This is deleted for ever:</p>
      <Lost
        of={[
          [total, 'item', 'items'],
          [files.data?.files.length ?? 0, 'file', 'files'],
          [dataset.version + 1, 'version', 'versions'],
        ]}
      />
      <p className="text-muted">Runs, batches and evaluations over its items stay, and lose their link to it.</p>
    </Confirm>
  )
}
