import { useNavigate } from '@tanstack/react-router'
import { signOutEverywhere } from '../data/sign-in.ts'
import { useWhoami } from '../data/whoami.ts'
import { Confirm } from './form-dialog.tsx'

/** Asks before all sessions of the key end that this browser has signed in with. */
export const SignOutEverywhere = ({ onClose }: { onClose: () => void }) => {
  const who = useWhoami()
  const navigate = useNavigate()
  return (
    <Confirm
      title="Sign out everywhere?"
      action="Sign out everywhere"
      work={signOutEverywhere}
      onDone={() => void navigate({ to: '/sign-in' })}
      onClose={onClose}
      command="jetty api endSessions"
    >
      <p>
        Every session of {who?.auth_type === 'admin' ? 'the admin token' : `the key ${who?.name ?? ''}`} ends, this one
        too. The key itself stays valid: if somebody else has it, revoke it instead.
      </p>
    </Confirm>
  )
}
