import { useState } from 'react'
import type { Key } from '../../../../src/model/collections/key.ts'
import { useNow } from '../../../data/clock.ts'
import { agoText } from '../../../text/ago.ts'
import { momentText } from '../../../text/moment.ts'
import { Badge } from '../../../ui/badge.tsx'
import { buttonClass } from '../../../ui/button.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { Menu } from '../../../ui/menu.tsx'
import { type KeyAction, KeyDialog } from './key-dialogs.tsx'
import { keyState } from './key-state.ts'

const stateTexts = { valid: 'Valid', expired: 'Expired', off: 'Off' } as const

interface KeyLineProps {
  of: Key
  collection: string
  mayWrite: boolean
}

/** One key: what it may do, until when, and who used it last. */
export const KeyLine = ({ of: key, collection, mayWrite }: KeyLineProps) => {
  const now = useNow()
  const [action, setAction] = useState<KeyAction>()
  const state = keyState(key, now)
  return (
    <li className="flex flex-wrap items-center gap-x-6 gap-y-1 py-2.5">
      <div className="min-w-48 flex-1">
        <p className="flex items-center gap-2">
          <span className="truncate font-medium">{key.name}</span>
          <Badge>{key.access_level}</Badge>
          {state !== 'valid' && <Badge isStrong>{stateTexts[state]}</Badge>}
        </p>
        <p className="truncate text-12 text-muted">
          <span className="font-mono">{key.key_prefix}…</span>
          {key.collections.length > 1 && ` · ${key.collections.join(', ')}`}
          {key.created_by && ` · made by ${key.created_by}`}
        </p>
      </div>
      <dl className="flex gap-6 text-12">
        <div className="w-24" title={momentText(key.last_used_at)}>
          <dt className="text-faint">Last used</dt>
          <dd>{key.last_used_at ? agoText(key.last_used_at, now) : 'never'}</dd>
        </div>
        <div className="w-24" title={momentText(key.expires_at)}>
          <dt className="text-faint">Expires</dt>
          <dd>{key.expires_at ? agoText(key.expires_at, now) : 'never'}</dd>
        </div>
      </dl>
      <Menu
        side="left"
        label={`Change ${key.name}`}
        className={`${buttonClass('quiet', true)} max-sm:ml-auto`}
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
    </li>
  )
}
