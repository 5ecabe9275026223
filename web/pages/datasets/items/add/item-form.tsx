import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../../../data/api.ts'
import { keys } from '../../../../data/keys.ts'
import { FormDialog } from '../../../../parts/form-dialog.tsx'
import { SchemaForm } from '../../../../parts/schema-form/schema-form.tsx'
import { Button } from '../../../../ui/button.tsx'
import { TextArea, TextField } from '../../../../ui/field.tsx'
import { showToast } from '../../../../ui/toast.tsx'
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
  const save = () => {
    const data = read()
    return data === undefined ? undefined : saveItem({ collection, dataset }, item?.id, id.trim(), data)
  }
  const saved = async (written: { added: number; changed: number; version: number }) => {
    await queries.invalidateQueries({ queryKey: keys.dataset(collection, dataset) })
    const isSame = written.added + written.changed === 0
    showToast({ text: isSame ? 'The item is the same as before' : `Saved as version ${written.version}` })
    if (id.trim() !== '') onSaved?.(id.trim())
  }
  return (
    <FormDialog
      title={item ? `Edit ${item.id}` : 'Add an item'}
      width="wide"
      action={item ? 'Save as a new version' : 'Add'}
      extra={
        fields.length > 0 && (
          <Button look="quiet" onClick={swap}>
            {json === undefined ? 'As JSON' : 'As a form'}
          </Button>
        )
      }
      work={save}
      onDone={saved}
      onClose={onClose}
      fields={fields.map(({ name }) => name)}
    >
      {(at) => (
        <>
          {!item && (
            <TextField
              label="Id"
              hint="Empty: made from the data, so the same data is the same item."
              value={id}
              onChange={(event) => setId(event.target.value)}
            />
          )}
          {json === undefined ? (
            <SchemaForm fields={fields} entries={entries} errors={{ ...at, ...wrong }} onEnter={enter} />
          ) : (
            <TextArea
              label="Data"
              isCode
              rows={8}
              value={json}
              error={wrong.json ?? Object.values(at)[0]}
              onChange={(event) => setJson(event.target.value)}
            />
          )}
        </>
      )}
    </FormDialog>
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
