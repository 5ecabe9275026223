import { useQuery } from '@tanstack/react-query'
import { type FormEvent, useId, useState } from 'react'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'

/** A form for a label. It suggests the keys and values that the collection has. */
export const AddLabel = ({
  collection,
  onAdd,
}: {
  collection: string
  onAdd: (key: string, value: string) => void
}) => {
  const id = useId()
  const [key, setKey] = useState('')
  const [value, setValue] = useState('')
  const known = useQuery({
    queryKey: keys.labels(collection),
    queryFn: ({ signal }) => api.listLabelKeys({ params: { collection }, signal }),
    staleTime: 60_000,
  }).data
  const values = known?.keys.find((one) => one.key === key)?.values ?? []
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (key.trim() !== '') onAdd(key.trim(), value.trim() === '' ? 'true' : value.trim())
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <TextField
        label="Label"
        autoFocus
        list={`${id}-keys`}
        maxLength={200}
        placeholder="reviewed"
        value={key}
        onChange={(event) => setKey(event.target.value)}
      />
      <TextField
        label="Value"
        list={`${id}-values`}
        placeholder="true"
        value={value}
        onChange={(event) => setValue(event.target.value)}
      />
      <datalist id={`${id}-keys`}>
        {known?.keys.map((one) => (
          <option key={one.key} value={one.key} />
        ))}
      </datalist>
      <datalist id={`${id}-values`}>
        {values.map((one) => (
          <option key={one.value} value={one.value} />
        ))}
      </datalist>
      <Button type="submit" look="main" disabled={key.trim() === ''}>
        Set the label
      </Button>
    </form>
  )
}
