import { useMutation } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Problem } from '../../parts/problem.tsx'
import { Button } from '../../ui/button.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { Dialog } from '../../ui/dialog.tsx'

interface ConfirmProps {
  title: string
  /** What happens then. */
  children: ReactNode
  /** What the button says that does it. */
  action: string
  work: () => Promise<unknown>
  onClose: () => void
  onDone?: () => void
  command?: string
}

/** Asks before something that cannot be taken back; a refusal stands in the dialog. */
export const Confirm = ({ title, children, action, work, onClose, onDone, command }: ConfirmProps) => {
  const doing = useMutation({
    mutationFn: work,
    onSuccess: () => {
      onDone?.()
      onClose()
    },
  })
  return (
    <Dialog
      title={title}
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="bad" disabled={doing.isPending} onClick={() => doing.mutate()}>
            {action}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-3">
        {children}
        {command && <CopyLine text={command} />}
        {doing.error && <Problem error={doing.error} />}
      </div>
    </Dialog>
  )
}
