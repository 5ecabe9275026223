import { useMutation } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useId, useState } from 'react'
import type { Key } from '../../../../src/model/collections/key.ts'
import { api } from '../../../data/api.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { TextField } from '../../../ui/field.tsx'
import { fieldErrors } from '../field-errors.ts'
import { ExpiryFields, useExpiry } from './expiry-fields.tsx'
import { useKeysChanged } from './keys-query.ts'

export interface KeyDialogProps {
  of: Key
  collection: string
  onClose: () => void
}

type KeyChange = Parameters<typeof api.updateKey>[0]['body']

const useChangeKey = ({ id }: Key, collection: string, onDone: () => void) => {
  const changed = useKeysChanged(collection)
  return useMutation({
    mutationFn: (body: KeyChange) => api.updateKey({ params: { id: String(id) }, body }),
    onSuccess: async () => {
      await changed()
      onDone()
    },
  })
}

interface KeyFormProps {
  title: string
  mayNot: boolean
  onSave: () => void
  onClose: () => void
  children: ReactNode
}

const KeyForm = ({ title, mayNot, onSave, onClose, children }: KeyFormProps) => {
  const form = useId()
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!mayNot) onSave()
  }
  return (
    <Dialog
      title={title}
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="main" type="submit" form={form} disabled={mayNot}>
            Save
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        {children}
      </form>
    </Dialog>
  )
}

export const RenameKey = ({ of: key, collection, onClose }: KeyDialogProps) => {
  const [name, setName] = useState(key.name)
  const save = useChangeKey(key, collection, onClose)
  const { at, rest } = fieldErrors(save.error, ['name'])
  return (
    <KeyForm
      title={`Rename ${key.name}`}
      mayNot={name.trim() === '' || name.trim() === key.name || save.isPending}
      onSave={() => save.mutate({ name: name.trim() })}
      onClose={onClose}
    >
      <TextField
        label="Name"
        value={name}
        error={at.name}
        maxLength={200}
        onChange={(event) => setName(event.target.value)}
      />
      {rest !== undefined && <Problem error={rest} />}
    </KeyForm>
  )
}

export const EditExpiry = ({ of: key, collection, onClose }: KeyDialogProps) => {
  const expiry = useExpiry()
  const save = useChangeKey(key, collection, onClose)
  const { at, rest } = fieldErrors(save.error, ['expires_at'])
  const submit = () => {
    const moment = expiry.read()
    if (moment !== undefined) save.mutate({ expires_at: moment })
  }
  return (
    <KeyForm title={`Expiry of ${key.name}`} mayNot={save.isPending} onSave={submit} onClose={onClose}>
      <ExpiryFields expiry={expiry} error={at.expires_at} />
      {rest !== undefined && <Problem error={rest} />}
    </KeyForm>
  )
}
