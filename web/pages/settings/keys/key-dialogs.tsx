import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { Confirm } from '../../../parts/confirm.tsx'
import { Checkbox } from '../../../ui/field.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { EditExpiry, type KeyDialogProps, RenameKey } from './key-forms.tsx'
import { useKeysChanged } from './keys-query.ts'

export type KeyAction = 'rename' | 'expiry' | 'off' | 'on' | 'revoke'

/** The dialog of what somebody chose to do with a key. */
export const KeyDialog = ({ action, ...rest }: KeyDialogProps & { action: KeyAction }) => {
  if (action === 'rename') return <RenameKey {...rest} />
  if (action === 'expiry') return <EditExpiry {...rest} />
  return action === 'revoke' ? <RevokeKey {...rest} /> : <SwitchKey isOn={action === 'on'} {...rest} />
}

const SwitchKey = ({ of: key, collection, isOn, onClose }: KeyDialogProps & { isOn: boolean }) => (
  <Confirm
    title={isOn ? `Switch ${key.name} on?` : `Switch ${key.name} off?`}
    action={isOn ? 'Switch on' : 'Switch off'}
    work={() => api.updateKey({ params: { id: String(key.id) }, body: { is_active: isOn } })}
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
