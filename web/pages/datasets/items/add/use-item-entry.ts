import { useMemo, useState } from 'react'
import { enteredData, itemFields, parsedData } from './item-fields.ts'

type Data = Record<string, unknown>

type Typed = { data: Data; errors?: Record<string, string> } | { data?: undefined; error: string }

interface ItemEntryOptions {
  schema: Data | null
  /** What is changed; undefined for a new item. */
  data: Data | undefined
  sample: Data | undefined
}

/** What is typed for an item, field by field or as JSON. What one of them has goes over into the other. */
export const useItemEntry = ({ schema, data, sample }: ItemEntryOptions) => {
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
