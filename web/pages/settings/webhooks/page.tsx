import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { paged } from '../../../data/paged.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Confirm, FormDialog } from '../../../parts/form-dialog.tsx'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { PageLink, runHref } from '../../../parts/page-link.tsx'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { momentText } from '../../../text/times.ts'
import { Button } from '../../../ui/button.tsx'
import { CopyButton } from '../../../ui/copy.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { Checkbox, TextField } from '../../../ui/field.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { Tabs } from '../../../ui/tabs.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { type CollectionPlace, CommandLines, SettingsHeading } from '../frame.tsx'
import { settingsKey, useSettings } from '../limits/settings-query.ts'
import { SecretOnce } from '../secret-once.tsx'

type ListedDelivery = Awaited<ReturnType<typeof api.listCollectionDeliveries>>['deliveries'][number]

interface DeliveryRowProps {
  of: ListedDelivery
  collection: string
  /** Delivers again; undefined: this person may not, or one is under way. */
  onAgain: (() => void) | undefined
}

/** One attempt: of which run, to whom, and what the receiver answered. */
const DeliveryRow = ({ of, collection, onAgain }: DeliveryRowProps) => {
  const isDelivered = of.status === 'delivered'
  const { task, trajectory_id: id } = of
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2">
      <Icon
        name={isDelivered ? 'tick' : 'cross'}
        label={isDelivered ? 'Delivered' : 'Failed'}
        className={isDelivered ? 'text-ok' : 'text-bad'}
      />
      <time dateTime={of.created} className="w-34 shrink-0 text-12 text-muted tabular-nums">
        {momentText(of.created)}
      </time>
      <div className="min-w-60 flex-1">
        <p className="flex flex-wrap gap-x-2">
          <PageLink href={runHref({ collection, task, trajectory_id: id })} className="text-accent">
            {task}/{id}
          </PageLink>
          <span className="text-muted">
            attempt {of.n}
            {of.by_hand && ', by hand'}
          </span>
        </p>
        <p className="break-all text-12 text-muted">{of.webhook_url}</p>
        {of.error && <p className="break-words text-12 text-bad">{of.error}</p>}
      </div>
      <span className="text-12 text-muted tabular-nums">
        {of.status_code ?? 'no answer'} · {of.duration_ms} ms
      </span>
      <Button disabled={!onAgain} aria-label={`Deliver again: ${task}/${id}`} onClick={() => onAgain?.()}>
        Deliver again
      </Button>
    </li>
  )
}

const pageSize = 50

interface DeliveryListProps {
  collection: string
  mayWrite: boolean
}

/** The attempts to deliver webhooks of a collection, newest first. */
const DeliveryList = ({ collection, mayWrite }: DeliveryListProps) => {
  const queries = useQueryClient()
  const [status, setStatus] = useState<'all' | 'failed'>('all')
  const list = useInfiniteQuery({
    queryKey: ['deliveries', collection, status],
    ...paged((page, signal) =>
      api.listCollectionDeliveries({ params: { collection }, query: { status, limit: pageSize, ...page }, signal }),
    ),
  })
  const again = useMutation({
    mutationFn: ({ task, trajectory_id, n }: ListedDelivery) =>
      api.redeliver({ params: { collection, task, trajectory_id, n: String(n) } }),
    onSuccess: (answer) => {
      const last = answer.deliveries.at(-1)
      showToast(
        last?.status === 'delivered'
          ? { text: `Delivered: the receiver answered ${last.status_code}` }
          : { text: last?.error ?? 'It was not delivered', isBad: true },
      )
      return queries.invalidateQueries({ queryKey: ['deliveries', collection] })
    },
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  const deliveries = list.data?.pages.flatMap((page) => page.deliveries) ?? []
  const label = status === 'all' ? 'All deliveries' : 'Failed deliveries'
  return (
    <section aria-label="Deliveries" className="flex flex-col gap-3">
      <Tabs
        label="Deliveries"
        className="border-line border-b"
        current={status}
        onSelect={setStatus}
        tabs={[
          { name: 'all', text: 'All' },
          { name: 'failed', text: 'Failed' },
        ]}
      />
      <div role="tabpanel" aria-label={label} className="flex flex-col gap-3">
        <ListFrame
          list={list}
          count={deliveries.length}
          more="Older deliveries"
          empty={
            <Empty
              title={status === 'all' ? 'Nothing was delivered yet' : 'No delivery has failed'}
              command={`jetty run ${collection}/my-task --webhook https://example.com/done`}
            >
              Give a run or a routine the address of a receiver, and each attempt to notify it is listed here.
            </Empty>
          }
        >
          <ul aria-label={label} className="divide-y divide-line">
            {deliveries.map((one) => (
              <DeliveryRow
                key={`${one.trajectory_id} ${one.n}`}
                of={one}
                collection={collection}
                onAgain={mayWrite && !again.isPending ? () => again.mutate(one) : undefined}
              />
            ))}
          </ul>
        </ListFrame>
      </div>
    </section>
  )
}

const secretBytes = 32

/** A new random secret, in hex. */
const newWebhookSecret = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(secretBytes)), (byte) => byte.toString(16).padStart(2, '0')).join('')

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
const SetReceiver = ({ collection, url: given, variable, onClose, onSet, ...set }: SetReceiverProps) => {
  const [url, setUrl] = useState(given)
  const [makesSecret, setMakesSecret] = useState(variable === null)
  const [isFailedOnly, setFailedOnly] = useState(set.statuses?.join() === 'failed')
  const [isText, setText] = useState(set.format === 'text')
  const save = async () => {
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
  }
  return (
    <FormDialog
      title="Receiver of all runs"
      action="Save"
      isReady={url.trim() !== ''}
      work={save}
      next={onSet}
      onClose={onClose}
      fields={['url', 'url_variable']}
    >
      {(at) => (
        <>
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
        </>
      )}
    </FormDialog>
  )
}

type Tested = Awaited<ReturnType<typeof api.testWebhook>>

/** What the receiver answered to a test, and what was sent. */
const TestedDelivery = ({ result }: { result: Tested }) => {
  const isDelivered = result.status === 'delivered'
  return (
    <section aria-label="Result of the test" className="flex flex-col gap-2">
      <p role="status" className="flex items-start gap-1.5">
        <Icon name={isDelivered ? 'tick' : 'cross'} className={`mt-0.5 ${isDelivered ? 'text-ok' : 'text-bad'}`} />
        <span>
          {isDelivered ? `Delivered: the receiver answered ${result.status_code}` : `Failed: ${result.error}`}
          <span className="text-muted"> · {result.duration_ms} ms</span>
        </span>
      </p>
      <details>
        <summary className="text-muted">What was sent</summary>
        <pre className="mt-1 overflow-x-auto rounded-m bg-sunk p-3 font-mono text-12">
          {Object.entries(result.sent.headers)
            .map(([name, value]) => `${name}: ${value}`)
            .join('\n')}
          {`\n\n${result.sent.body}`}
        </pre>
      </details>
    </section>
  )
}

interface SendTestProps {
  collection: string
  onClose: () => void
}

/** Sends a test to a receiver, signed with a secret that is kept nowhere. */
const SendTest = ({ collection, onClose }: SendTestProps) => {
  const [url, setUrl] = useState('')
  const [secret, setSecret] = useState('')
  const [isText, setText] = useState(false)
  const [tested, setTested] = useState<Tested>()
  const test = () => {
    setTested(undefined)
    return api.testWebhook({
      params: { collection },
      body: {
        webhook_url: url.trim(),
        webhook_secret: secret === '' ? null : secret,
        format: isText ? 'text' : null,
      },
    })
  }
  return (
    <FormDialog
      title="Send a test to a receiver"
      width="wide"
      action="Send"
      busy="Sending…"
      cancel="Close"
      work={test}
      next={setTested}
      onClose={onClose}
      fields={['webhook_url', 'webhook_secret']}
    >
      {(at) => (
        <>
          <TextField
            label="Address"
            isCode
            placeholder="https://example.com/done"
            hint="Without one the receiver of all runs gets the test, signed with its own secret and in its own form"
            value={url}
            error={at.webhook_url}
            onChange={(event) => setUrl(event.target.value)}
          />
          <Checkbox
            label="A line of text, for a chat"
            checked={isText}
            onChange={(event) => setText(event.target.checked)}
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
            The server keeps neither. Give the same secret to your receiver and to the runs that shall notify it, and
            save it before you close this.
          </p>
          {tested && <TestedDelivery result={tested} />}
        </>
      )}
    </FormDialog>
  )
}

interface ReceiverProps {
  collection: string
  mayWrite: boolean
}

type Open = { kind: 'set' } | { kind: 'remove' } | { kind: 'secret'; secret: string }

/** The receiver that hears of every run of a collection that names none of its own. */
const Receiver = ({ collection, mayWrite }: ReceiverProps) => {
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

/** Whom runs of a collection have told of their end, and a test of a receiver. */
const WebhooksPage = ({ collection }: CollectionPlace) => {
  const mayWrite = useMayWrite()
  const [isTesting, setTesting] = useState(false)
  return (
    <>
      <SettingsHeading
        title={`Webhooks of ${collection}`}
        actions={
          <Button look="main" disabled={!mayWrite} onClick={() => setTesting(true)}>
            Send a test
          </Button>
        }
      >
        A run tells a receiver when it has ended: the one that it or its routine names, else that of the collection. A
        failed delivery is tried eight times within about a day.
      </SettingsHeading>
      <Receiver collection={collection} mayWrite={mayWrite} />
      <DeliveryList collection={collection} mayWrite={mayWrite} />
      <CommandLines
        lines={[
          `jetty run ${collection}/my-task --webhook https://example.com/done --webhook-secret-env HOOK_SECRET`,
          `jetty webhooks ls ${collection} --failed`,
        ]}
      />
      {isTesting && <SendTest collection={collection} onClose={() => setTesting(false)} />}
    </>
  )
}

export default WebhooksPage
