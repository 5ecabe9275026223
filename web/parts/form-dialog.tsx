import { useMutation } from '@tanstack/react-query'
import { type FormEvent, type KeyboardEvent, type ReactNode, useId, useState } from 'react'
import { Button } from '../ui/button.tsx'
import { CopyLine } from '../ui/copy.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import type { IconName } from '../ui/icon.tsx'
import { fieldErrors } from './field-errors.ts'
import { Problem } from './problem.tsx'

interface ActionProps<Done> {
  title: string
  /** Text of the button that does it; `busy` stands there while it is done. */
  action: ReactNode
  busy?: string
  /** Text of the button that closes the dialog. */
  cancel?: string
  /** Does it; undefined: a field says what is wrong. A refusal is shown in the dialog. */
  work: () => Promise<Done> | undefined
  /** Runs after the work, also if the dialog was closed meanwhile; the dialog stays until its promise ends. */
  onDone?: (done: Done) => unknown
  /** Follows if the dialog is still open; without it the dialog closes. */
  next?: ((done: Done) => void) | undefined
  onClose: () => void
}

interface FormDialogProps<Done, Name extends string> extends ActionProps<Done> {
  /** The fields; a function gets the refusals of those that `fields` names. */
  children: ReactNode | ((at: Partial<Record<Name, string>>) => ReactNode)
  fields?: readonly Name[]
  isReady?: boolean
  isBad?: boolean
  icon?: IconName
  width?: 'narrow' | 'wide'
  /** At the left of the buttons: what is known of the work, or further buttons. */
  extra?: ReactNode
}

/** A dialog with a form: Enter in a line or its button sends it, once at a time. */
export const FormDialog = <Done, Name extends string = never>(props: FormDialogProps<Done, Name>) => {
  const { title, action, busy = action, cancel = 'Cancel', work, onDone, next, onClose, children, fields = [] } = props
  const { isReady = true, isBad = false, icon, width, extra } = props
  const form = useId()
  const sending = useMutation({
    gcTime: 0, // a secret leaves with the dialog
    mutationFn: (sent: Promise<Done>) => sent,
    ...(onDone ? { onSuccess: onDone } : {}),
  })
  const mayNot = !isReady || sending.isPending
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const sent = mayNot ? undefined : work()
    if (sent) sending.mutate(sent, { onSuccess: next ?? onClose })
  }
  const { at, rest } = fieldErrors(sending.error, fields)
  return (
    <Dialog
      title={title}
      isOpen
      onClose={onClose}
      {...(width ? { width } : {})}
      actions={
        <>
          {extra && <span className="mr-auto self-center">{extra}</span>}
          <Button onClick={onClose}>{cancel}</Button>
          <Button look={isBad ? 'bad' : 'main'} type="submit" form={form} disabled={mayNot} {...(icon ? { icon } : {})}>
            {sending.isPending ? busy : action}
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} {...(isBad ? { onKeyDown: ticksOnly } : {})} className="flex flex-col gap-4">
        {typeof children === 'function' ? children(at) : children}
        {rest !== undefined && <Problem error={rest} />}
      </form>
    </Dialog>
  )
}

/** Enter on a box to tick, which has the focus first, must not delete. */
const ticksOnly = (event: KeyboardEvent) => {
  if (event.key === 'Enter' && event.target instanceof HTMLInputElement && event.target.type === 'checkbox')
    event.preventDefault()
}

interface ConfirmProps<Done> extends ActionProps<Done> {
  /** What happens then. */
  children: ReactNode
  command?: string
  /** What has to be typed first: for what deletes much. */
  typed?: string | undefined
  /** What the button waits for, such as the numbers of what is lost. */
  isLoading?: boolean
}

/** Asks before something that cannot be taken back. */
export const Confirm = <Done,>({ children, command, typed, isLoading = false, ...rest }: ConfirmProps<Done>) => {
  const [text, setText] = useState('')
  return (
    <FormDialog {...rest} isBad isReady={!isLoading && (typed === undefined || text.trim() === typed)}>
      {children}
      {typed !== undefined && (
        <TextField
          label={`Type ${typed} to confirm`}
          value={text}
          isCode
          onChange={(event) => setText(event.target.value)}
        />
      )}
      {command && <CopyLine text={command} />}
    </FormDialog>
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
