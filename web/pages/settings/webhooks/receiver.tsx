import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { Confirm } from '../../../parts/confirm.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { settingsKey, useSettings } from '../limits/settings-query.ts'
import { SecretOnce } from '../secret-once.tsx'
import { SetReceiver } from './set-receiver.tsx'

interface ReceiverProps {
  collection: string
  mayWrite: boolean
}

type Open = { kind: 'set' } | { kind: 'remove' } | { kind: 'secret'; secret: string }

/** The receiver that hears of every run of a collection that names none of its own. */
export const Receiver = ({ collection, mayWrite }: ReceiverProps) => {
  const queries = useQueryClient()
  const settings = useSettings(collection)
  const [open, setOpen] = useState<Open>()
  const close = () => setOpen(undefined)
  const changed = () => queries.invalidateQueries({ queryKey: settingsKey(collection) })
  const webhook = settings.data?.settings.webhook
  const { secret_variable: variable = null, statuses = null, format = null } = webhook ?? {}
  const url = webhook?.url ?? (webhook?.url_variable ? `env.${webhook.url_variable}` : null)
  return (
    <section
      aria-label="Receiver"
      className="flex flex-wrap items-center gap-x-4 gap-y-2 rounded-l border border-line p-3"
    >
      {settings.error && <Problem error={settings.error} onRetry={() => void settings.refetch()} />}
      <div className="min-w-60 flex-1">
        <p className="font-medium">Receiver of all runs</p>
        {url === null ? (
          <p className="text-muted">None: only runs and routines that name a receiver notify one.</p>
        ) : (
          <>
            <p className="break-all">{url}</p>
            <p className="break-words text-12 text-muted">
              {[
                statuses === null ? 'Every end' : `Only ${statuses.join(' and ')} runs`,
                format === 'text' ? 'a line of text' : 'the whole document',
                variable === null ? 'not signed' : `signed with env.${variable}`,
              ].join(' · ')}
            </p>
          </>
        )}
      </div>
      <Button disabled={!mayWrite || !settings.data} onClick={() => setOpen({ kind: 'set' })}>
        {url === null ? 'Set a receiver' : 'Change'}
      </Button>
      {url !== null && (
        <Button look="quiet" icon="bin" disabled={!mayWrite} onClick={() => setOpen({ kind: 'remove' })}>
          Remove
        </Button>
      )}
      {open?.kind === 'set' && (
        <SetReceiver
          collection={collection}
          url={url ?? ''}
          variable={variable}
          statuses={statuses}
          format={format}
          onClose={close}
          onSet={(secret) => {
            void changed()
            setOpen(secret === undefined ? undefined : { kind: 'secret', secret })
          }}
        />
      )}
      {open?.kind === 'secret' && (
        <SecretOnce title="The secret of the receiver" secret={open.secret} onClose={close} />
      )}
      {open?.kind === 'remove' && (
        <Confirm
          title="Remove the receiver?"
          action="Remove"
          work={() => api.updateCollectionSettings({ params: { collection }, body: { webhook: null } })}
          onDone={() => void changed()}
          onClose={close}
          command={`jetty api updateCollectionSettings collection=${collection} webhook=null`}
        >
          <p>Runs that start later notify nobody, unless they name a receiver. Runs that have begun still notify it.</p>
        </Confirm>
      )}
    </section>
  )
}
