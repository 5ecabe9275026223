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

interface SetReceiverProps {
  collection: string
  url: string
  /** Variable that signs deliveries now. */
  variable: string | null
  onClose: () => void
  /** Called with the new secret, if one was made. */
  onSet: (secret: string | undefined) => void
}

/** Sets the receiver of a collection, and makes a secret for it that is shown once. */
export const SetReceiver = ({ collection, url: given, variable, onClose, onSet }: SetReceiverProps) => {
  const form = useId()
  const [url, setUrl] = useState(given)
  const [makesSecret, setMakesSecret] = useState(variable === null)
  const save = useMutation({
    gcTime: 0, // the secret leaves with the dialog
    mutationFn: async () => {
      const secret = makesSecret ? newWebhookSecret() : undefined
      const params = { collection }
      const named = secret === undefined ? {} : { secret_variable: secretVariable }
      // The address first: where it is refused, no secret is replaced.
      await api.updateCollectionSettings({ params, body: { webhook: { url: url.trim(), ...named } } })
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
  const { at, rest } = fieldErrors(save.error, ['url'])
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
          hint="It hears of every run that a request or a routine starts and that names no receiver"
          value={url}
          error={at.url}
          onChange={(event) => setUrl(event.target.value)}
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
