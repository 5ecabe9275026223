import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { useWhoami } from '../../data/whoami.ts'
import { errorText } from '../../parts/problem.tsx'
import { Button } from '../../ui/button.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextArea, TextField } from '../../ui/field.tsx'

const formId = 'new-collection'

/** Makes a collection, and opens it. */
export const NewCollection = ({ onClose }: { onClose: () => void }) => {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const who = useWhoami()
  const [name, setName] = useState('')
  const [description, setDescription] = useState('')
  const create = useMutation({
    mutationFn: () =>
      api.createCollection({
        body: { name: name.trim(), ...(description.trim() === '' ? {} : { description: description.trim() }) },
      }),
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.collections }),
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (name.trim() === '' || create.isPending) return
    create.mutate(undefined, {
      onSuccess: (made) => void navigate({ to: '/$collection', params: { collection: made.name } }),
    })
  }
  return (
    <Dialog
      title="New collection"
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
      <form id={formId} onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label="Name"
          value={name}
          placeholder="acme"
          error={create.error ? errorText(create.error) : undefined}
          onChange={(event) => setName(event.target.value)}
        />
        <TextArea
          label="What it is for"
          {...(who?.auth_type === 'admin' ? {} : { hint: 'Your key covers it from then on.' })}
          value={description}
          onChange={(event) => setDescription(event.target.value)}
        />
        <CopyLine text={`jetty collections create ${name.trim() || 'acme'}`} />
      </form>
    </Dialog>
  )
}
