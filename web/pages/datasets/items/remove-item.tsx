import { useMutation, useQueryClient } from '@tanstack/react-query'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { errorText } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { showToast } from '../../../ui/toast.tsx'

interface RemoveItemProps {
  collection: string
  dataset: string
  item: string
  onClose: () => void
  onRemoved: () => void
}

/** Asks before an item is removed. */
export const RemoveItem = ({ collection, dataset, item, onClose, onRemoved }: RemoveItemProps) => {
  const queries = useQueryClient()
  const remove = useMutation({
    mutationFn: () => api.deleteItem({ params: { collection, dataset, item } }),
    onSuccess: async ({ version }) => {
      onRemoved()
      showToast({ text: `Version ${version} is without ${item}` })
      await queries.invalidateQueries({ queryKey: keys.dataset(collection, dataset) })
    },
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  return (
    <Dialog
      title={`Remove ${item}?`}
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Keep it</Button>
          <Button look="bad" disabled={remove.isPending} onClick={() => remove.mutate()}>
            Remove
          </Button>
        </>
      }
    >
      <p>The next version is without it. Versions that have it keep it.</p>
    </Dialog>
  )
}
