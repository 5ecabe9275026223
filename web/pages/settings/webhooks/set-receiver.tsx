import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useId, useState } from 'react'
import { api } from '../../../data/api.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { Checkbox, TextField } from '../../../ui/field.tsx'
import { fieldErrors } from '../field-errors.ts'
import { newWebhookSecret } from './webhook-secret.ts'

/** Variable of the collection that holds the secret which this page makes. */
const secretVariable = 'WEBHOOK_SECRET'

/** The member of the setting that has an address: `env.CHAT_URL` names a variable. */
const addressOf = (text: string): { url: string } | { url_variable: string } => {
  const [, variable] = /^env\.(\w+)$/.exec(text) ?? []
  return variable === undefined ? { url: text } : { url_variable: variable }
}

/** Keeps other choices of statuses, which were made elsewhere. */
const noticeOf = (isFailedOnly: boolean, before: SetReceiverProps['statuses']) => {
  if (isFailedOnly) return { statuses: ['failed' as const] }
  return before?.join() === 'failed' ? { statuses: null } : {}
}

interface SetReceiverProps {
  collection: string
  url: string
  /** Variable that signs deliveries now. */
  variable: string | null
  /** Ends of runs that it hears of now; null: all. */
  statuses: readonly ('completed' | 'failed' | 'cancelled')[] | null
  format: 'trajectory' | 'text' | null
  onClose: () => void
  /** Called with the new secret, if one was made. */
  onSet: (secret: string | undefined) => void
}

/** Sets the receiver of a collection, and makes a secret for it that is shown once. */
export const SetReceiver = ({ collection, url: given, variable, onClose, onSet, ...set }: SetReceiverProps) => {
  const form = useId()
  const [url, setUrl] = useState(given)
  const [makesSecret, setMakesSecret] = useState(variable === null)
  const [isFailedOnly, setFailedOnly] = useState(set.statuses?.join() === 'failed')
  const [isText, setText] = useState(set.format === 'text')
  const save = useMutation({
    gcTime: 0, // the secret leaves with the dialog
    mutationFn: async () => {
      const secret = makesSecret ? newWebhookSecret() : undefined
      const params = { collection }
      const named = secret === undefined ? {} : { secret_variable: secretVariable }
      // The address first: where it is refused, no secret is replaced.
      const webhook = {
        ...addressOf(url.trim()),
        ...named,
        ...noticeOf(isFailedOnly, set.statuses),
        format: isText ? 'text' : null,
      } as const
      await api.updateCollectionSettings({ params, body: { webhook } })
      if (secret !== undefined) {
        await api.setEnvironment({ params, body: { environment_variables: { [secretVariable]: secret } } })
      }
      return secret
    },
    onSuccess: onSet,
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (url.trim() !== '') save.mutate()
  }
  const { at, rest } = fieldErrors(save.error, ['url', 'url_variable'])
  return (
    <Dialog
      title="Receiver of all runs"
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="main" type="submit" form={form} disabled={url.trim() === '' || save.isPending}>
            Save
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label="Address"
          isCode
          placeholder="https://example.com/done"
          hint="It hears of runs that a request or a routine starts and that name no receiver. env.NAME takes a secret address from the environment"
          value={url}
          error={at.url ?? at.url_variable}
          onChange={(event) => setUrl(event.target.value)}
        />
        <Checkbox
          label="Failed runs only"
          checked={isFailedOnly}
          onChange={(event) => setFailedOnly(event.target.checked)}
        />
        <Checkbox
          label="A line of text, for a chat"
          checked={isText}
          onChange={(event) => setText(event.target.checked)}
        />
        <Checkbox
          label={variable === null ? 'Sign deliveries with a new secret' : 'Replace the secret that signs deliveries'}
          checked={makesSecret}
          onChange={(event) => setMakesSecret(event.target.checked)}
        />
        {rest !== undefined && <Problem error={rest} />}
      </form>
    </Dialog>
  )
}
