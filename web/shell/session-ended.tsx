import { useQueryClient } from '@tanstack/react-query'
import { useSessionState } from '../data/session.ts'
import { SignInForm } from '../parts/sign-in-form.tsx'
import { Dialog } from '../ui/dialog.tsx'

/** Asks for a key where the session has ended. The page below stays as it was, with what somebody has typed into it. */
export const SessionEnded = () => {
  const client = useQueryClient()
  return (
    <Dialog title="Your session has ended" isOpen={useSessionState() === 'ended'} isFirm onClose={() => {}}>
      <p className="mb-3 text-muted">Sign in again to go on where you were. Nothing on this page is lost.</p>
      <SignInForm onDone={() => void client.invalidateQueries()} />
    </Dialog>
  )
}
