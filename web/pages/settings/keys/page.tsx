import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Key } from '../../../../src/model/collections/key.ts'
import { api } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Confirm, FormDialog } from '../../../parts/form-dialog.tsx'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { SortedList } from '../../../parts/sorted-list/sorted-list.tsx'
import { agoText, momentText } from '../../../text/times.ts'
import { Badge } from '../../../ui/badge.tsx'
import { Button, buttonClass } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { Checkbox, SelectField, TextField } from '../../../ui/field.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { Menu } from '../../../ui/menu.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { type CollectionPlace, CommandLines, SettingsHeading } from '../frame.tsx'
import { SecretOnce } from '../secret-once.tsx'

type KeyState = 'valid' | 'expired' | 'off'

/** Whether the server takes a key now. */
export const keyState = ({ is_active, expires_at }: Pick<Key, 'is_active' | 'expires_at'>, now: number): KeyState => {
  if (!is_active) return 'off'
  return expires_at !== null && Date.parse(expires_at) <= now ? 'expired' : 'valid'
}

/** How long a key may be valid, as the form offers it: a browser session makes none that does not expire. */
const expiryChoices = [
  ['7', '7 days'],
  ['30', '30 days'],
  ['90', '90 days'],
  ['day', 'until a day'],
] as const

type ExpiryChoice = (typeof expiryChoices)[number][0]

const dayMs = 86_400_000

/**
 * The moment that a choice stands for. Undefined: the day is no date, or has passed. A key is valid until its day ends in
 * the place of the browser.
 */
export const expiryOf = (choice: ExpiryChoice, day: string, now: number): string | undefined => {
  if (choice !== 'day') return new Date(now + Number(choice) * dayMs).toISOString()
  const end = new Date(`${day}T23:59:59`)
  return Number.isNaN(end.getTime()) || end.getTime() <= now ? undefined : end.toISOString()
}

/** Until when a key is valid, as somebody enters it. */
const useExpiry = () => {
  const [choice, setChoice] = useState<ExpiryChoice>('90')
  const [day, setDay] = useState('')
  const [isRefused, setRefused] = useState(false)
  /** The moment; undefined: the field says what is wrong. */
  const read = () => {
    const moment = expiryOf(choice, day, Date.now())
    setRefused(moment === undefined)
    return moment
  }
  return { choice, setChoice, day, setDay, isRefused, read }
}

interface ExpiryFieldsProps {
  expiry: ReturnType<typeof useExpiry>
  error: string | undefined
}

const ExpiryFields = ({ expiry, error }: ExpiryFieldsProps) => {
  const isDay = expiry.choice === 'day'
  const problem = isDay && expiry.isRefused ? 'Choose a day that has not passed' : error
  return (
    <>
      <SelectField
        label="Valid for"
        value={expiry.choice}
        hint="For a key that is valid for longer, use jetty keys create"
        error={isDay ? undefined : problem}
        onChange={(event) => expiry.setChoice(event.target.value as ExpiryChoice)}
        options={expiryChoices}
      />
      {isDay && (
        <TextField
          label="Last day"
          type="date"
          value={expiry.day}
          error={problem}
          onChange={(event) => expiry.setDay(event.target.value)}
        />
      )}
    </>
  )
}

const pageSize = 100
const keysOf = (collection: string) => ['api-keys', collection] as const

/** The keys that cover a collection, newest first, page by page. */
const useApiKeys = (collection: string) =>
  useInfiniteQuery({
    queryKey: keysOf(collection),
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      api.listKeys({ params: { collection }, query: { skip: pageParam, limit: pageSize }, signal }),
    getNextPageParam: (page, pages) => (page.length < pageSize ? undefined : pages.length * pageSize),
  })

/** Asks again for the keys after a change. */
const useKeysChanged = (collection: string) => {
  const queries = useQueryClient()
  return () => queries.invalidateQueries({ queryKey: keysOf(collection) })
}

interface KeyDialogProps {
  of: Key
  collection: string
  onClose: () => void
}

type KeyChange = Parameters<typeof api.updateKey>[0]['body']

const changeKey = ({ id }: Key, body: KeyChange) => api.updateKey({ params: { id: String(id) }, body })

const RenameKey = ({ of: key, collection, onClose }: KeyDialogProps) => {
  const [name, setName] = useState(key.name)
  return (
    <FormDialog
      title={`Rename ${key.name}`}
      action="Save"
      isReady={name.trim() !== '' && name.trim() !== key.name}
      work={() => changeKey(key, { name: name.trim() })}
      onDone={useKeysChanged(collection)}
      onClose={onClose}
      fields={['name']}
    >
      {(at) => (
        <TextField
          label="Name"
          value={name}
          error={at.name}
          maxLength={200}
          onChange={(event) => setName(event.target.value)}
        />
      )}
    </FormDialog>
  )
}

const EditExpiry = ({ of: key, collection, onClose }: KeyDialogProps) => {
  const expiry = useExpiry()
  const save = () => {
    const moment = expiry.read()
    return moment === undefined ? undefined : changeKey(key, { expires_at: moment })
  }
  return (
    <FormDialog
      title={`Expiry of ${key.name}`}
      action="Save"
      work={save}
      onDone={useKeysChanged(collection)}
      onClose={onClose}
      fields={['expires_at']}
    >
      {(at) => <ExpiryFields expiry={expiry} error={at.expires_at} />}
    </FormDialog>
  )
}

type KeyAction = 'rename' | 'expiry' | 'off' | 'on' | 'revoke'

/** The dialog of what somebody chose to do with a key. */
const KeyDialog = ({ action, ...rest }: KeyDialogProps & { action: KeyAction }) => {
  if (action === 'rename') return <RenameKey {...rest} />
  if (action === 'expiry') return <EditExpiry {...rest} />
  return action === 'revoke' ? <RevokeKey {...rest} /> : <SwitchKey isOn={action === 'on'} {...rest} />
}

const SwitchKey = ({ of: key, collection, isOn, onClose }: KeyDialogProps & { isOn: boolean }) => (
  <Confirm
    title={isOn ? `Switch ${key.name} on?` : `Switch ${key.name} off?`}
    action={isOn ? 'Switch on' : 'Switch off'}
    work={() => changeKey(key, { is_active: isOn })}
    onClose={onClose}
    onDone={useKeysChanged(collection)}
    {...(isOn ? {} : { command: `jetty keys revoke ${key.id} --keep` })}
  >
    <p>
      {isOn
        ? 'The server takes it again from its next request on.'
        : 'The server refuses it from its next request on, and its sessions too. You can switch it on again.'}
    </p>
  </Confirm>
)

const RevokeKey = ({ of: key, collection, onClose }: KeyDialogProps) => {
  const changed = useKeysChanged(collection)
  const [isBelow, setBelow] = useState(false)
  const revoke = async () => {
    const { left } = await api.deleteKey({
      params: { id: String(key.id) },
      query: { below: isBelow ? 'true' : 'false' },
    })
    if (left.length > 0) showToast({ text: `Keys that were made with it are still valid: ${left.join(', ')}` })
  }
  return (
    <Confirm
      title={`Revoke ${key.name}?`}
      action="Revoke"
      work={revoke}
      onClose={onClose}
      onDone={changed}
      command={`jetty keys revoke ${key.id}${isBelow ? ' --below' : ''}`}
    >
      <p>
        The server refuses {key.key_prefix}… from its next request on, and ends its sessions. This cannot be taken back.
        Runs that it started go on.
      </p>
      <Checkbox
        label="Revoke the keys that were made with it, too"
        checked={isBelow}
        onChange={(event) => setBelow(event.target.checked)}
      />
    </Confirm>
  )
}

const stateTexts = { valid: 'Valid', expired: 'Expired', off: 'Off' } as const

interface KeyListProps {
  keys: readonly Key[]
  collection: string
  mayWrite: boolean
}

const moment = (text: string | null): number | null => (text === null ? null : Date.parse(text))

/** The keys of a collection: what each may do, until when, and when it was used last. */
const KeyList = ({ keys, collection, mayWrite }: KeyListProps) => {
  const now = useNow()
  return (
    <SortedList
      noun="keys"
      rows={keys}
      keyOf={({ id }) => id}
      textOf={({ name, key_prefix: prefix, created_by: by, collections }) =>
        [name, prefix, by, ...collections].join(' ')
      }
      grid="grid-cols-[minmax(12rem,1fr)_6rem_7rem_7rem]"
      first={{ by: 'Name', direction: 'asc' }}
      columns={[
        { name: 'Name', by: ({ name }) => name, cell: (key) => <KeyName of={key} now={now} /> },
        {
          name: 'Level',
          by: ({ access_level: level }) => level,
          cell: ({ access_level: level }) => <Badge>{level}</Badge>,
        },
        {
          name: 'Last used',
          by: ({ last_used_at: at }) => moment(at),
          isNumber: true,
          className: 'text-12',
          cell: ({ last_used_at: at }) => (
            <span title={momentText(at)}>{at ? agoText(at, now) : <Never what="used" />}</span>
          ),
        },
        {
          name: 'Expires',
          by: ({ expires_at: at }) => moment(at),
          isNumber: true,
          className: 'text-12',
          cell: ({ expires_at: at }) => (
            <span title={momentText(at)}>{at ? agoText(at, now) : <Never what="expires" />}</span>
          ),
        },
      ]}
      trail={(key) => <KeyMenu of={key} collection={collection} mayWrite={mayWrite} />}
    />
  )
}

const Never = ({ what }: { what: string }) => (
  <>
    never<span className="md:hidden"> {what}</span>
  </>
)

const KeyName = ({ of: key, now }: { of: Key; now: number }) => {
  const state = keyState(key, now)
  return (
    <>
      <span className="flex items-center gap-2">
        <span className="truncate font-medium">{key.name}</span>
        {state !== 'valid' && <Badge isStrong>{stateTexts[state]}</Badge>}
      </span>
      <span className="block truncate text-12 text-muted">
        <span className="font-mono">{key.key_prefix}…</span>
        {key.collections.length > 1 && ` · ${key.collections.join(', ')}`}
        {key.created_by && ` · made by ${key.created_by}`}
      </span>
    </>
  )
}

const KeyMenu = ({ of: key, collection, mayWrite }: { of: Key; collection: string; mayWrite: boolean }) => {
  const [action, setAction] = useState<KeyAction>()
  return (
    <>
      <Menu
        side="left"
        label={`Change ${key.name}`}
        className={buttonClass('quiet', true)}
        button={<Icon name="dots" />}
        items={[
          { text: 'Rename', icon: 'edit', isDisabled: !mayWrite, onSelect: () => setAction('rename') },
          { text: 'Change its expiry', icon: 'clock', isDisabled: !mayWrite, onSelect: () => setAction('expiry') },
          key.is_active
            ? { text: 'Switch off', icon: 'stop', isDisabled: !mayWrite, onSelect: () => setAction('off') }
            : { text: 'Switch on', icon: 'play', isDisabled: !mayWrite, onSelect: () => setAction('on') },
          {
            text: 'Revoke',
            icon: 'bin',
            isBad: true,
            isApart: true,
            isDisabled: !mayWrite,
            onSelect: () => setAction('revoke'),
          },
        ]}
      />
      {action && <KeyDialog of={key} action={action} collection={collection} onClose={() => setAction(undefined)} />}
    </>
  )
}

interface NewKeyDialogProps {
  collection: string
  onClose: () => void
}

/** Makes a key, and shows it once. */
const NewKeyDialog = ({ collection, onClose }: NewKeyDialogProps) => {
  const changed = useKeysChanged(collection)
  const [name, setName] = useState('')
  const [access, setAccess] = useState<'READ' | 'WRITE' | 'WORKER'>('WRITE')
  const [made, setMade] = useState<Awaited<ReturnType<typeof api.createKey>>>()
  const expiry = useExpiry()
  const make = () => {
    const expiresAt = expiry.read()
    if (expiresAt === undefined) return undefined
    return api.createKey({
      body: { name: name.trim(), collection_name: collection, access_level: access, expires_at: expiresAt },
    })
  }
  if (made) {
    return (
      <SecretOnce
        title={`The key ${made.name}`}
        secret={made.api_key}
        example={`curl -H "Authorization: Bearer $JETTY_TOKEN" ${location.origin}/api/v1/tasks/${collection}`}
        onClose={onClose}
      />
    )
  }
  return (
    <FormDialog
      title={`New key for ${collection}`}
      action="Make the key"
      isReady={name.trim() !== ''}
      work={make}
      onDone={changed}
      next={setMade}
      onClose={onClose}
      fields={['name', 'expires_at']}
    >
      {(at) => (
        <>
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
        </>
      )}
    </FormDialog>
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
      <ListFrame
        list={list}
        count={keys.length}
        more="Older keys"
        empty={
          <Empty title="No key covers this collection" command={`jetty keys create ${collection} --name ci`}>
            Only the admin token opens it. Make a key for each program and person, so that you can revoke one alone.
          </Empty>
        }
      >
        <KeyList keys={keys} collection={collection} mayWrite={mayWrite} />
      </ListFrame>
      <CommandLines
        lines={[`jetty keys ls ${collection}`, `jetty keys create ${collection} --name ci --expires 90d`]}
      />
      {isNew && <NewKeyDialog collection={collection} onClose={() => setNew(false)} />}
    </>
  )
}

export default KeysPage
