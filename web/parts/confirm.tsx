import { useMutation } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { Button } from '../ui/button.tsx'
import { CopyLine } from '../ui/copy.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { Problem } from './problem.tsx'

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
  /** What has to be typed first: for what deletes much. */
  typed?: string | undefined
  /** What the button waits for, such as the numbers of what is lost. */
  isLoading?: boolean
}

/** Asks before something that cannot be taken back; a refusal stands in the dialog. */
export const Confirm = ({
  title,
  children,
  action,
  work,
  onClose,
  onDone,
  command,
  typed,
  isLoading = false,
}: ConfirmProps) => {
  const [text, setText] = useState('')
  const doing = useMutation({
    mutationFn: work,
    onSuccess: () => {
      onDone?.()
      onClose()
    },
  })
  const isAllowed = !isLoading && !doing.isPending && (typed === undefined || text.trim() === typed)
  return (
    <Dialog
      title={title}
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="bad" disabled={!isAllowed} onClick={() => doing.mutate()}>
            {action}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-3">
        {children}
        {typed !== undefined && (
          <TextField
            label={`Type ${typed} to confirm`}
            value={text}
            isCode
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Enter') return
              event.preventDefault() // a form around the dialog must not take it
              if (isAllowed) doing.mutate()
            }}
          />
        )}
        {command && <CopyLine text={command} />}
        {doing.error && <Problem error={doing.error} />}
      </div>
    </Dialog>
  )
}

/** What is lost: numbers with their nouns, of which those that are 0 are left out. */
export const Lost = ({ of }: { of: readonly (readonly [count: number, one: string, many: string])[] }) => {
  const lines = of.filter(([count]) => count > 0)
  if (lines.length === 0) return <p className="text-muted">Nothing is in it.</p>
  return (
    <ul aria-label="What is lost" className="list-disc pl-5">
      {lines.map(([count, one, many]) => (
        <li key={many}>{count === 1 ? `1 ${one}` : `${count.toLocaleString('en-US')} ${many}`}</li>
      ))}
    </ul>
  )
}
