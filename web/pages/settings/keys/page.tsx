import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useId, useState } from 'react'
import { api } from '../../../data/api.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { SelectField, TextField } from '../../../ui/field.tsx'
import { CommandLines } from '../command-lines.tsx'
import { fieldErrors } from '../field-errors.ts'
import { SettingsHeading } from '../heading.tsx'
import type { CollectionPlace } from '../place.ts'
import { SecretOnce } from '../secret-once.tsx'
import { ExpiryFields, useExpiry } from './expiry-fields.tsx'
import { KeyList } from './key-list.tsx'
import { useApiKeys, useKeysChanged } from './keys-query.ts'

interface NewKeyDialogProps {
  collection: string
  onClose: () => void
}

/** Makes a key, and shows it once. */
const NewKeyDialog = ({ collection, onClose }: NewKeyDialogProps) => {
  const form = useId()
  const changed = useKeysChanged(collection)
  const [name, setName] = useState('')
  const [access, setAccess] = useState<'READ' | 'WRITE' | 'WORKER'>('WRITE')
  const expiry = useExpiry()
  const make = useMutation({
    gcTime: 0, // the key leaves with the dialog
    mutationFn: (expiresAt: string) =>
      api.createKey({
        body: { name: name.trim(), collection_name: collection, access_level: access, expires_at: expiresAt },
      }),
    onSuccess: changed,
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const expiresAt = expiry.read()
    if (expiresAt !== undefined && name.trim() !== '') make.mutate(expiresAt)
  }
  if (make.data) {
    return (
      <SecretOnce
        title={`The key ${make.data.name}`}
        secret={make.data.api_key}
        example={`curl -H "Authorization: Bearer $JETTY_TOKEN" ${location.origin}/api/v1/tasks/${collection}`}
        onClose={onClose}
      />
    )
  }
  const { at, rest } = fieldErrors(make.error, ['name', 'expires_at'])
  return (
    <Dialog
      title={`New key for ${collection}`}
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="main" type="submit" form={form} disabled={name.trim() === '' || make.isPending}>
            Make the key
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label="Name"
          hint="Who or what it is for, such as ci or mara"
          value={name}
          error={at.name}
          maxLength={200}
          onChange={(event) => setName(event.target.value)}
        />
        <SelectField
          label="It may"
          value={access}
          onChange={(event) => setAccess(event.target.value as typeof access)}
          options={[
            ['WRITE', 'read, run and change (WRITE)'],
            ['READ', 'only read (READ)'],
            ['WORKER', 'only take jobs as a worker (WORKER)'],
          ]}
        />
        <ExpiryFields expiry={expiry} error={at.expires_at} />
        {rest !== undefined && <Problem error={rest} />}
      </form>
    </Dialog>
  )
}

/** The keys that open a collection. */
const KeysPage = ({ collection }: CollectionPlace) => {
  const mayWrite = useMayWrite()
  const [isNew, setNew] = useState(false)
  const list = useApiKeys(collection)
  const keys = list.data?.pages.flat() ?? []
  return (
    <>
      <SettingsHeading
        title={`Keys of ${collection}`}
        actions={
          <Button icon="plus" look="main" disabled={!mayWrite} onClick={() => setNew(true)}>
            New key
          </Button>
        }
      >
        A program or a person needs a key to call the server. The server keeps only a hash: a key is shown once, when it
        is made.
      </SettingsHeading>
      {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
      {list.isSuccess && keys.length === 0 && (
        <Empty title="No key covers this collection" command={`jetty keys create ${collection} --name ci`}>
          Only the admin token opens it. Make a key for each program and person, so that you can revoke one alone.
        </Empty>
      )}
      {keys.length > 0 && <KeyList keys={keys} collection={collection} mayWrite={mayWrite} />}
      {list.hasNextPage && (
        <Button className="self-start" disabled={list.isFetching} onClick={() => void list.fetchNextPage()}>
          Older keys
        </Button>
      )}
      <CommandLines
        lines={[`jetty keys ls ${collection}`, `jetty keys create ${collection} --name ci --expires 90d`]}
      />
      {isNew && <NewKeyDialog collection={collection} onClose={() => setNew(false)} />}
    </>
  )
}

export default KeysPage
