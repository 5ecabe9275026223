import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Hook } from '../../../src/model/hook.ts'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { Button } from '../../ui/button.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { SelectField, TextArea, TextField } from '../../ui/field.tsx'
import { FormDialog } from '../form-dialog.tsx'
import { Problem } from '../problem.tsx'
import { hookKeys, makesSecret, senderNames, urlPlaces } from './hook-texts.ts'

type CreatedHook = Awaited<ReturnType<typeof api.createHook>>

/** Fields of a hook as they stand in a form. */
interface Entered {
  filter: string
  mapping: string
  secret: string
  signatureHeader: string
  deliveryHeader: string
}

const orNull = (text: string): string | null => (text.trim() === '' ? null : text.trim())

type FieldName = 'task' | 'name' | 'event' | 'filter' | 'mapping' | 'secret' | 'signature_header' | 'delivery_header'
const fieldNames: readonly FieldName[] = [
  ...(['task', 'name', 'event', 'filter', 'mapping', 'secret', 'signature_header', 'delivery_header'] as const),
]

interface FieldsProps {
  sender: Hook['sender']
  entered: Entered
  onChange: (more: Partial<Entered>) => void
  at: Partial<Record<FieldName, string>>
}

/** Filter and mapping: what both see is said once, below them. */
const Expressions = ({ entered, onChange, at }: Omit<FieldsProps, 'sender'>) => (
  <>
    <TextArea
      label="Filter"
      isCode
      rows={2}
      placeholder={'event = "push" and payload.ref = "refs/heads/main"'}
      value={entered.filter}
      error={at.filter}
      hint="Which deliveries start a run. Empty: all"
      onChange={(change) => onChange({ filter: change.target.value })}
    />
    <TextArea
      label="Mapping"
      isCode
      rows={2}
      placeholder={'{ "commit": payload.after }'}
      value={entered.mapping}
      error={at.mapping}
      hint="The parameters of the run, as an object. Empty: payload and event"
      onChange={(change) => onChange({ mapping: change.target.value })}
    />
    <p className="text-12 text-muted">
      Both are JSONata and see <code className="font-mono">payload</code>, <code className="font-mono">event</code>,{' '}
      <code className="font-mono">id</code>, <code className="font-mono">sender</code> and{' '}
      <code className="font-mono">received_at</code>.
    </p>
  </>
)

/** How deliveries are signed. */
const Signing = ({ sender, entered, onChange, at }: FieldsProps) => (
  <>
    {sender === 'generic' && (
      <TextField
        label="Header with the signature"
        isCode
        placeholder="X-Signature"
        value={entered.signatureHeader}
        error={at.signature_header}
        hint="With the HMAC-SHA256 of the body. Empty: Standard Webhooks"
        onChange={(change) => onChange({ signatureHeader: change.target.value })}
      />
    )}
    {sender === 'generic' && entered.signatureHeader.trim() !== '' && (
      <TextField
        label="Header with the id of a delivery"
        isCode
        placeholder="X-Delivery"
        value={entered.deliveryHeader}
        error={at.delivery_header}
        hint="Empty: equal bodies are one delivery"
        onChange={(change) => onChange({ deliveryHeader: change.target.value })}
      />
    )}
  </>
)

interface SecretFieldProps extends Pick<FieldsProps, 'entered' | 'onChange' | 'at'> {
  hint: string
}

const SecretField = ({ entered, onChange, at, hint }: SecretFieldProps) => (
  <TextField
    label="Signing secret"
    type="password"
    isCode
    autoComplete="new-password"
    value={entered.secret}
    error={at.secret}
    hint={hint}
    onChange={(change) => onChange({ secret: change.target.value })}
  />
)

const secretHint = (sender: Hook['sender']): string =>
  makesSecret(sender)
    ? `${senderNames[sender]} shows it once the URL is entered there. It can be set later`
    : 'Empty: one is made, and shown once'

/** Names of tasks that a person may choose. */
const useTaskNames = (collection: string, isAsked: boolean): string[] => {
  const { data } = useQuery({
    queryKey: [...keys.tasks(collection), 'names'],
    queryFn: ({ signal }) => api.listTasks({ params: { collection }, query: { view: 'summary', limit: 500 }, signal }),
    enabled: isAsked,
  })
  return (data ?? []).map(({ name }) => name).filter((name) => !name.startsWith('_'))
}

const nothing: Entered = { filter: '', mapping: '', secret: '', signatureHeader: '', deliveryHeader: '' }

interface NewHookProps {
  collection: string
  /** The task that it runs; undefined: a person chooses one. */
  task: string | undefined
  onClose: () => void
  onMade: (hook: CreatedHook) => void
}

/** Creates a hook. The URL and a secret that was made are shown by `UrlOnce`. */
export const NewHook = ({ collection, task: given, onClose, onMade }: NewHookProps) => {
  const queries = useQueryClient()
  const tasks = useTaskNames(collection, given === undefined)
  const [chosen, setChosen] = useState('')
  const [sender, setSender] = useState<Hook['sender']>('github')
  const [name, setName] = useState('')
  const [event, setEvent] = useState('')
  const [entered, setEntered] = useState(nothing)
  const task = given ?? (chosen || (tasks[0] ?? ''))
  const onChange = (more: Partial<Entered>) => setEntered((were) => ({ ...were, ...more }))
  const isSigned = sender !== 'event'
  const make = () =>
    api.createHook({
      params: { collection },
      body: {
        ...{ task, sender },
        ...(name.trim() === '' ? {} : { name: name.trim() }),
        ...(isSigned ? {} : { event: event.trim() }),
        ...{ filter: orNull(entered.filter), mapping: orNull(entered.mapping) },
        ...(isSigned && entered.secret.trim() !== '' ? { secret: entered.secret.trim() } : {}),
        ...(sender === 'generic' && orNull(entered.signatureHeader) !== null
          ? { signature_header: orNull(entered.signatureHeader), delivery_header: orNull(entered.deliveryHeader) }
          : {}),
      },
    })
  return (
    <FormDialog
      title={given === undefined ? `New hook of ${collection}` : `New hook of ${given}`}
      action="Create"
      isReady={task !== '' && (isSigned || event.trim() !== '')}
      work={make}
      onDone={() => queries.invalidateQueries({ queryKey: hookKeys(collection) })}
      next={onMade}
      onClose={onClose}
      fields={fieldNames}
    >
      {(at) => (
        <>
          <SelectField
            label="Starts a run for webhooks of"
            value={sender}
            onChange={(change) => setSender(change.target.value as Hook['sender'])}
            options={Object.entries(senderNames)}
          />
          {given === undefined && (
            <SelectField
              label="Task"
              value={task}
              error={at.task}
              hint={tasks.length === 0 && 'The collection has no task yet'}
              onChange={(change) => setChosen(change.target.value)}
              options={tasks.map((one) => [one, one])}
            />
          )}
          {!isSigned && (
            <TextField
              label="Name of the event"
              isCode
              placeholder="order.paid"
              value={event}
              error={at.event}
              onChange={(change) => setEvent(change.target.value)}
            />
          )}
          <TextField
            label="Name"
            placeholder={task === '' ? '' : `${task}-${sender}`}
            value={name}
            error={at.name}
            onChange={(change) => setName(change.target.value)}
          />
          <Expressions entered={entered} onChange={onChange} at={at} />
          <Signing sender={sender} entered={entered} onChange={onChange} at={at} />
          {isSigned && <SecretField entered={entered} onChange={onChange} at={at} hint={secretHint(sender)} />}
        </>
      )}
    </FormDialog>
  )
}

/** Shows the URL of a new hook, with the secret that the server made and never shows again. */
export const UrlOnce = ({ hook, onClose }: { hook: CreatedHook; onClose: () => void }) => {
  const { secret, sender } = hook
  const place = urlPlaces[sender]
  const service = sender === 'generic' ? 'the service' : senderNames[sender]
  return (
    <Dialog
      title={`Hook ${hook.name}`}
      isOpen
      isFirm={secret !== null}
      onClose={onClose}
      actions={
        <Button look="main" onClick={onClose}>
          {secret === null ? 'Done' : 'I have saved it'}
        </Button>
      }
    >
      <div className="flex flex-col gap-4">
        <p>
          Enter the URL{secret !== null && ' and the secret'} at {service}
          {place && ` under ${place}`}. {secret !== null && 'Nobody can show the secret again.'}
        </p>
        <section aria-label="URL">
          <h3 className="mb-1 font-medium text-12 text-muted">URL</h3>
          <CopyLine text={hook.url ?? ''} label="Copy the URL" />
        </section>
        {secret !== null && (
          <section aria-label="Secret">
            <h3 className="mb-1 font-medium text-12 text-muted">Secret</h3>
            <CopyLine text={secret} label="Copy the secret" />
          </section>
        )}
        {makesSecret(sender) && !hook.has_secret && (
          <p className="text-muted">
            {service} then shows a signing secret. Set it here: until then every delivery is refused.
          </p>
        )}
      </div>
    </Dialog>
  )
}

interface EditHookProps {
  hook: Hook
  /** The newest delivery, on which filter and mapping can be tried. */
  delivery: number | undefined
  onClose: () => void
}

/** Changes a hook, and tries its expressions before that. */
export const EditHook = ({ hook, delivery, onClose }: EditHookProps) => {
  const { collection, name, sender } = hook
  const queries = useQueryClient()
  const [entered, setEntered] = useState<Entered>({
    filter: hook.filter ?? '',
    mapping: hook.mapping ?? '',
    secret: '',
    signatureHeader: hook.signature_header ?? '',
    deliveryHeader: hook.delivery_header ?? '',
  })
  const onChange = (more: Partial<Entered>) => setEntered((were) => ({ ...were, ...more }))
  const expressions = { filter: orNull(entered.filter), mapping: orNull(entered.mapping) }
  const save = () =>
    api.updateHook({
      params: { collection, name },
      body: {
        ...expressions,
        ...(sender === 'generic' && {
          signature_header: orNull(entered.signatureHeader),
          delivery_header: orNull(entered.signatureHeader) === null ? null : orNull(entered.deliveryHeader),
        }),
        ...(entered.secret.trim() !== '' && { secret: entered.secret.trim() }),
      },
    })
  const trial = useMutation({
    mutationFn: () =>
      api.testHook({
        params: { collection, name },
        body: { ...expressions, ...(delivery === undefined ? { payload: {} } : { delivery }) },
      }),
  })
  return (
    <FormDialog
      title={`Hook ${name}`}
      action="Save"
      work={save}
      onDone={() => queries.invalidateQueries({ queryKey: hookKeys(collection) })}
      onClose={onClose}
      fields={fieldNames}
      extra={
        <Button icon="play" disabled={trial.isPending} onClick={() => trial.mutate()}>
          {delivery === undefined ? 'Try on {}' : 'Try on the newest delivery'}
        </Button>
      }
    >
      {(at) => (
        <>
          <Expressions entered={entered} onChange={onChange} at={at} />
          {trial.error && <Problem error={trial.error} />}
          {trial.data && <Outcome of={trial.data} />}
          <Signing sender={sender} entered={entered} onChange={onChange} at={at} />
          {sender !== 'event' && (
            <SecretField
              entered={entered}
              onChange={onChange}
              at={at}
              hint={
                hook.has_secret
                  ? 'Empty: it stays. The former one holds for a day after a change'
                  : `As ${senderNames[sender]} shows it`
              }
            />
          )}
        </>
      )}
    </FormDialog>
  )
}

type Trial = Awaited<ReturnType<typeof api.testHook>>

/** What filter and mapping make of a delivery. */
const Outcome = ({ of }: { of: Trial }) => (
  <div role="status" className="rounded-m bg-sunk p-3 text-12">
    {of.problem !== null && <p className="break-words text-bad">{of.problem}</p>}
    {of.problem === null && !of.passes && <p>The filter does not let it through: no run starts.</p>}
    {of.passes && (
      <>
        <p className="mb-1 text-muted">It would start a run with</p>
        <pre className="max-h-60 overflow-auto whitespace-pre-wrap break-words font-mono">
          {JSON.stringify(of.init_params, null, 2)}
        </pre>
      </>
    )}
  </div>
)
