import { useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { isObject } from '../../../../../src/lib/json/json-object.ts'
import { api } from '../../../../data/api.ts'
import { keys } from '../../../../data/keys.ts'
import { FormDialog } from '../../../../parts/form-dialog.tsx'
import { type FormField, formFields, formParams } from '../../../../parts/schema-form/form-fields.ts'
import { SchemaForm } from '../../../../parts/schema-form/schema-form.tsx'
import { Button } from '../../../../ui/button.tsx'
import { TextArea, TextField } from '../../../../ui/field.tsx'
import { showToast } from '../../../../ui/toast.tsx'

type Data = Readonly<Record<string, unknown>>

const typeOf = (value: unknown): string | undefined =>
  ['string', 'number', 'boolean'].includes(typeof value) ? typeof value : undefined

/** A schema with the members of another item, for a dataset that has none. */
const schemaLike = (sample: Data): Data => ({
  properties: Object.fromEntries(Object.entries(sample).map(([name, value]) => [name, { type: typeOf(value) }])),
})

/**
 * The fields of an item: those that it has, then those of the schema. A new item of a dataset without a schema has the
 * fields of a sample.
 */
export const itemFields = (schema: Data | null, data: Data | undefined, sample: Data | undefined): FormField[] =>
  formFields(schema ?? schemaLike(data ?? sample ?? {}), data ?? {})

/** The data that was entered: what the item has, with the changed fields and without those that were emptied. */
export const enteredData = (
  fields: readonly FormField[],
  entries: Readonly<Record<string, string>>,
  data: Data | undefined,
): { data: Record<string, unknown>; errors: Record<string, string> } => {
  const { params, errors } = formParams(fields, entries)
  const isEmptied = ({ name, kind }: FormField) =>
    entries[name]?.trim() === '' && kind !== 'line' && kind !== 'text' && !Object.hasOwn(params, name)
  const emptied = new Set(fields.filter(isEmptied).map(({ name }) => name))
  const kept = Object.entries(data ?? {}).filter(([name]) => !emptied.has(name))
  return { data: Object.fromEntries([...kept, ...Object.entries(params)]), errors }
}

/** Reads data that was written as JSON, or says what is wrong with it. */
export const parsedData = (text: string): { data: Record<string, unknown> } | { error: string } => {
  try {
    const value: unknown = JSON.parse(text)
    if (isObject(value)) return { data: value }
    return { error: 'An item is a JSON object, such as {"question": "Why?"}' }
  } catch (error) {
    return { error: `This is not JSON: ${(error as Error).message}` }
  }
}

type Typed = { data: Data; errors?: Record<string, string> } | { data?: undefined; error: string }

interface ItemEntryOptions {
  schema: Data | null
  /** What is changed; undefined for a new item. */
  data: Data | undefined
  sample: Data | undefined
}

/** What is typed for an item, field by field or as JSON. What one of them has goes over into the other. */
const useItemEntry = ({ schema, data, sample }: ItemEntryOptions) => {
  const [begun, setBegun] = useState(data)
  const fields = useMemo(() => itemFields(schema, begun, sample), [schema, begun, sample])
  const [entries, setEntries] = useState<Record<string, string>>({})
  const [json, setJson] = useState<string | undefined>(fields.length === 0 ? '{}' : undefined)
  const [wrong, setWrong] = useState<Record<string, string>>({})
  /** The data, or undefined where something is wrong, which then stands at its field. */
  const read = (): Data | undefined => {
    const typed: Typed = json === undefined ? enteredData(fields, entries, begun) : parsedData(json)
    const errors = typed.data === undefined ? { json: typed.error } : (typed.errors ?? {})
    setWrong(errors)
    return Object.keys(errors).length === 0 ? typed.data : undefined
  }
  const swap = () => {
    const typed = read()
    if (typed === undefined) return
    if (json === undefined) return setJson(JSON.stringify(typed, null, 2))
    if (itemFields(schema, typed, sample).length === 0) return
    setBegun(typed)
    setEntries({})
    setJson(undefined)
  }
  const enter = (name: string, entry: string) => setEntries((was) => ({ ...was, [name]: entry }))
  return { fields, entries, json, wrong, read, swap, enter, setJson }
}

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
