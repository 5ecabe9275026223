import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../../../data/api.ts'
import { keys } from '../../../../data/keys.ts'
import { SchemaForm } from '../../../../parts/schema-form/schema-form.tsx'
import { Button } from '../../../../ui/button.tsx'
import { Dialog } from '../../../../ui/dialog.tsx'
import { TextArea, TextField } from '../../../../ui/field.tsx'
import { showToast } from '../../../../ui/toast.tsx'
import { refusedFields } from './item-fields.ts'
import { useItemEntry } from './use-item-entry.ts'

type Data = Record<string, unknown>

interface ItemFormProps {
  collection: string
  dataset: string
  schema: Data | null
  /** The item to be changed; without it one is added. */
  item?: { id: string; data: Data } | undefined
  /** Data of another item: a new one of a dataset without a schema has the same fields. */
  sample?: Data | undefined
  onClose: () => void
  onSaved?: (id: string) => void
}

/** One item, field by field as the schema says, or as JSON. Saving makes a new version of the dataset. */
export const ItemForm = ({ collection, dataset, schema, item, sample, onClose, onSaved }: ItemFormProps) => {
  const queries = useQueryClient()
  const [id, setId] = useState('')
  const { fields, entries, json, wrong, read, swap, enter, setJson } = useItemEntry({
    schema,
    data: item?.data,
    sample,
  })
  const save = useMutation({
    mutationFn: (data: Data) => saveItem({ collection, dataset }, item?.id, id.trim(), data),
    onSuccess: async (written) => {
      await queries.invalidateQueries({ queryKey: keys.dataset(collection, dataset) })
      const isSame = written.added + written.changed === 0
      showToast({ text: isSame ? 'The item is the same as before' : `Saved as version ${written.version}` })
      if (id.trim() !== '') onSaved?.(id.trim())
      onClose()
    },
  })
  const refused = refusedFields(
    save.error,
    fields.map(({ name }) => name),
  )
  const submit = () => {
    const data = read()
    if (data !== undefined) save.mutate(data)
  }
  return (
    <Dialog
      title={item ? `Edit ${item.id}` : 'Add an item'}
      isOpen
      onClose={onClose}
      width="wide"
      actions={
        <>
          {fields.length > 0 && (
            <Button look="quiet" onClick={swap}>
              {json === undefined ? 'As JSON' : 'As a form'}
            </Button>
          )}
          <span className="flex-1" />
          <Button onClick={onClose}>Cancel</Button>
          <Button look="main" disabled={save.isPending} onClick={submit}>
            {item ? 'Save as a new version' : 'Add'}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        {!item && (
          <TextField
            label="Id"
            hint="Empty: made from the data, so the same data is the same item."
            value={id}
            onChange={(event) => setId(event.target.value)}
          />
        )}
        {json === undefined ? (
          <SchemaForm fields={fields} entries={entries} errors={{ ...refused.at, ...wrong }} onEnter={enter} />
        ) : (
          <TextArea
            label="Data"
            isCode
            rows={8}
            value={json}
            error={wrong.json ?? Object.values(refused.at)[0]}
            onChange={(event) => setJson(event.target.value)}
          />
        )}
        {refused.rest && (
          <p role="alert" className="text-bad [overflow-wrap:anywhere]">
            {refused.rest}
          </p>
        )}
      </div>
    </Dialog>
  )
}

/** Changes an item, or adds one whose id is not taken. */
const saveItem = async (
  params: { collection: string; dataset: string },
  changed: string | undefined,
  id: string,
  data: Data,
) => {
  if (changed !== undefined) return api.putItem({ params: { ...params, item: changed }, body: data })
  if (id !== '' && (await exists(params, id))) throw new Error(`There is an item '${id}' already. Open it to edit it.`)
  return api.writeItems({ params, body: { items: [{ ...(id === '' ? {} : { id }), data }] } })
}

const exists = async (params: { collection: string; dataset: string }, id: string): Promise<boolean> =>
  (await api.listItems({ params, query: { id } })).total > 0
