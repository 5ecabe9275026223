import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useId, useState } from 'react'
import { api } from '../../../data/api.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { CopyButton } from '../../../ui/copy.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { TextField } from '../../../ui/field.tsx'
import { fieldErrors } from '../field-errors.ts'
import { TestedDelivery } from './tested-delivery.tsx'
import { newWebhookSecret } from './webhook-secret.ts'

interface SendTestProps {
  collection: string
  onClose: () => void
}

/** Sends a test to a receiver, signed with a secret that is kept nowhere. */
export const SendTest = ({ collection, onClose }: SendTestProps) => {
  const form = useId()
  const [url, setUrl] = useState('')
  const [secret, setSecret] = useState('')
  const test = useMutation({
    gcTime: 0, // nothing remembers the secret
    mutationFn: () =>
      api.testWebhook({
        params: { collection },
        body: { webhook_url: url.trim(), webhook_secret: secret === '' ? null : secret },
      }),
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (url.trim() !== '') test.mutate()
  }
  const { at, rest } = fieldErrors(test.error, ['webhook_url', 'webhook_secret'])
  return (
    <Dialog
      title="Send a test to a receiver"
      isOpen
      width="wide"
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Close</Button>
          <Button look="main" type="submit" form={form} disabled={url.trim() === '' || test.isPending}>
            {test.isPending ? 'Sending…' : 'Send'}
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label="Address"
          isCode
          placeholder="https://example.com/done"
          value={url}
          error={at.webhook_url}
          onChange={(event) => setUrl(event.target.value)}
        />
        <div className="flex items-end gap-1">
          <TextField
            boxClass="min-w-0 flex-1"
            label="Secret that signs it"
            isCode
            value={secret}
            error={at.webhook_secret}
            onChange={(event) => setSecret(event.target.value)}
          />
          {secret !== '' && <CopyButton text={secret} label="Copy the secret" />}
          <Button onClick={() => setSecret(newWebhookSecret())}>Make one</Button>
        </div>
        <p className="text-12 text-muted">
          The server keeps neither. Give the same secret to your receiver and to the runs that shall notify it, and save
          it before you close this.
        </p>
        {rest !== undefined && <Problem error={rest} />}
        {test.data && <TestedDelivery result={test.data} />}
      </form>
    </Dialog>
  )
}
