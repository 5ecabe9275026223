import { useState } from 'react'
import type { Key } from '../../../../src/model/collections/key.ts'
import { useNow } from '../../../data/clock.ts'
import { SortedList } from '../../../parts/sorted-list/sorted-list.tsx'
import { agoText } from '../../../text/ago.ts'
import { momentText } from '../../../text/moment.ts'
import { Badge } from '../../../ui/badge.tsx'
import { buttonClass } from '../../../ui/button.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { Menu } from '../../../ui/menu.tsx'
import { type KeyAction, KeyDialog } from './key-dialogs.tsx'
import { keyState } from './key-state.ts'

const stateTexts = { valid: 'Valid', expired: 'Expired', off: 'Off' } as const

interface KeyListProps {
  keys: readonly Key[]
  collection: string
  mayWrite: boolean
}

const moment = (text: string | null): number | null => (text === null ? null : Date.parse(text))

/** The keys of a collection: what each may do, until when, and when it was used last. */
export const KeyList = ({ keys, collection, mayWrite }: KeyListProps) => {
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
