import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { errorText } from '../../parts/problem.tsx'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextArea, TextField } from '../../ui/field.tsx'

const formId = 'new-dataset'

/** Creates an empty dataset, and opens it. */
export const NewDataset = ({ collection, onClose }: { collection: string; onClose: () => void }) => {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const [name, setName] = useState('')
  const [description, setDescription] = useState('')
  const create = useMutation({
    mutationFn: () =>
      api.createDataset({
        params: { collection },
        body: { name: name.trim(), ...(description.trim() === '' ? {} : { long_description: description.trim() }) },
      }),
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.datasets(collection) }),
  })
  const open = (dataset: string) =>
    navigate({ to: '/$collection/-/datasets/$dataset', params: { collection, dataset } })
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    if (name.trim() !== '' && !create.isPending) create.mutate(undefined, { onSuccess: (made) => void open(made.name) }) // unless the dialog was closed
  }
  return (
    <Dialog
      title="New dataset"
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="main" type="submit" form={formId} disabled={name.trim() === '' || create.isPending}>
            Create
          </Button>
        </>
      }
    >
      <form id={formId} onSubmit={onSubmit} className="flex flex-col gap-4">
        <TextField
          label="Name"
          value={name}
          error={create.error ? errorText(create.error) : undefined}
          onChange={(event) => setName(event.target.value)}
        />
        <TextArea
          label="What it is"
          hint="It is private: only keys of this collection see it."
          value={description}
          onChange={(event) => setDescription(event.target.value)}
        />
      </form>
    </Dialog>
  )
}
