import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { useWhoami } from '../../data/whoami.ts'
import { FormDialog } from '../../parts/form-dialog.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { TextArea, TextField } from '../../ui/field.tsx'

/** Makes a collection, and opens it. */
export const NewCollection = ({ onClose }: { onClose: () => void }) => {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const who = useWhoami()
  const [name, setName] = useState('')
  const [description, setDescription] = useState('')
  const about = description.trim()
  return (
    <FormDialog
      title="New collection"
      action="Create"
      isReady={name.trim() !== ''}
      work={() =>
        api.createCollection({ body: { name: name.trim(), ...(about === '' ? {} : { description: about }) } })
      }
      onDone={() => queries.invalidateQueries({ queryKey: keys.collections })}
      next={(made) => void navigate({ to: '/$collection', params: { collection: made.name } })}
      onClose={onClose}
      fields={['name']}
    >
      {(at) => (
        <>
          <TextField
            label="Name"
            value={name}
            placeholder="acme"
            error={at.name}
            onChange={(event) => setName(event.target.value)}
          />
          <TextArea
            label="What it is for"
            {...(who?.auth_type === 'admin' ? {} : { hint: 'Your key covers it from then on.' })}
            value={description}
            onChange={(event) => setDescription(event.target.value)}
          />
          <CopyLine text={`jetty collections create ${name.trim() || 'acme'}`} />
        </>
      )}
    </FormDialog>
  )
}
