import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { ShownSettings } from '../../../../src/model/collections/collection-settings.ts'
import { api } from '../../../data/api.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { FormDialog } from '../../../parts/form-dialog.tsx'
import { errorText } from '../../../parts/problem.tsx'
import { Button, IconButton } from '../../../ui/button.tsx'
import { SelectField, TextArea, TextField } from '../../../ui/field.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { type ReadSettings, settingsKey } from './settings-query.ts'

export type Deployment = NonNullable<ShownSettings['deployments']>[number]

/** A deployment as it stands in its form. */
interface EnteredDeployment {
  model: string
  name: string
  target: string
  weight: string
  /** A line for each variable: `OPENAI_API_KEY = OPENAI_API_KEY_EU`. */
  variables: string
}

export const entryOfDeployment = (of: Deployment | undefined): EnteredDeployment => ({
  model: of?.model ?? '',
  name: of?.name ?? '',
  target: of?.target ?? '',
  weight: of?.weight === undefined ? '' : String(of.weight),
  variables: Object.entries(of?.variables ?? {})
    .map(([instead, used]) => `${instead} = ${used}`)
    .join('\n'),
})

const variablePair = /^\s*([A-Za-z_]\w*)\s*=\s*([A-Za-z_]\w*)\s*$/

/** The deployment that was entered, or why a field cannot be taken. */
export const deploymentOfEntry = (
  entered: EnteredDeployment,
): { deployment: Deployment } | { faults: Partial<Record<keyof EnteredDeployment, string>> } => {
  const [model, name, target, weight] = [entered.model, entered.name, entered.target, entered.weight].map((text) =>
    text.trim(),
  ) as [string, string, string, string]
  const lines = entered.variables.split('\n').filter((line) => line.trim() !== '')
  const wrong = lines.find((line) => !variablePair.test(line))
  const share = Number(weight)
  const faults = {
    ...(model === '' && { model: 'Write the name of a model, such as gpt-4o' }),
    ...(weight !== '' && !(share >= 0 && share <= 1000) && { weight: 'Write a number from 0 to 1000' }),
    ...(wrong !== undefined && {
      variables: `Write NAME = OTHER_NAME in a line; "${wrong.trim().slice(0, 60)}" is not`,
    }),
  }
  if (Object.keys(faults).length > 0) return { faults }
  const variables = Object.fromEntries(
    lines.map((line) => {
      const [, instead = '', used = ''] = variablePair.exec(line) ?? []
      return [instead, used]
    }),
  )
  return {
    deployment: {
      model,
      ...(name !== '' && { name }),
      ...(target !== '' && { target }),
      ...(lines.length > 0 && { variables }),
      ...(weight !== '' && { weight: share }),
    },
  }
}

interface DeploymentFormProps {
  of: Deployment | undefined
  save: (deployment: Deployment) => Promise<unknown>
  onClose: () => void
}

const DeploymentForm = ({ of, save, onClose }: DeploymentFormProps) => {
  const [entered, setEntered] = useState(entryOfDeployment(of))
  const [isSent, setSent] = useState(false)
  const read = deploymentOfEntry(entered)
  const faults = isSent && 'faults' in read ? read.faults : {}
  const field = (name: keyof EnteredDeployment) => ({
    isCode: true,
    value: entered[name],
    error: faults[name],
    onChange: (change: { target: { value: string } }) =>
      setEntered((were) => ({ ...were, [name]: change.target.value })),
  })
  return (
    <FormDialog
      title={of ? 'Deployment' : 'New deployment'}
      action="Save"
      work={() => {
        setSent(true)
        return 'faults' in read ? undefined : save(read.deployment)
      }}
      onClose={onClose}
    >
      <TextField {...field('model')} label="Model" placeholder="gpt-4o" hint="As clients name it" />
      <TextField
        {...field('target')}
        label="Model to ask"
        placeholder="azure/gpt-4o-prod"
        hint="Also of another provider. Empty: the same model"
      />
      <TextArea
        {...field('variables')}
        label="Variables in the place of others"
        placeholder="OPENAI_API_KEY = OPENAI_API_KEY_EU"
        hint="A line each, of the environment of the collection: keys, addresses, regions"
      />
      <TextField
        {...field('weight')}
        label="Weight"
        inputMode="decimal"
        placeholder="1"
        hint="Share of the calls, compared with the other deployments of the model. 0 takes it out"
      />
      <TextField
        {...field('name')}
        label="Name"
        placeholder="eu"
        hint="In records and headers. Empty: the model to ask"
      />
    </FormDialog>
  )
}

interface RowProps {
  of: Deployment
  /** Share of the calls of its model by weight. */
  share: number
  isDisabled: boolean
  onEdit: () => void
  onRemove: () => void
}

const DeploymentRow = ({ of, share, isDisabled, onEdit, onRemove }: RowProps) => {
  const { model, target = model, name = target } = of
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2">
      <div className="min-w-50 flex-1">
        <p className="break-all font-medium">{name}</p>
        <p className="break-all text-12 text-muted">
          {model}
          {target !== model && ` → ${target}`}
        </p>
        {Object.entries(of.variables ?? {}).map(([instead, used]) => (
          <p key={instead} className="break-all font-mono text-12 text-muted">
            {instead} = {used}
          </p>
        ))}
      </div>
      <span className="text-12 text-muted tabular-nums">
        weight {of.weight ?? 1} · {Math.round(share * 100)} %
      </span>
      <div className="flex gap-1">
        <IconButton icon="edit" label={`Edit the deployment ${name}`} disabled={isDisabled} onClick={onEdit} />
        <IconButton icon="bin" label={`Remove the deployment ${name}`} disabled={isDisabled} onClick={onRemove} />
      </div>
    </li>
  )
}

const weightOf = ({ weight = 1 }: Deployment): number => weight

/** Share of the calls that each deployment gets among those of its model, by weight. */
export const sharesOf = (deployments: readonly Deployment[]): number[] => {
  const totals = new Map<string, number>()
  for (const one of deployments) totals.set(one.model, (totals.get(one.model) ?? 0) + weightOf(one))
  return deployments.map((one) => weightOf(one) / (totals.get(one.model) || 1))
}

interface DeploymentsProps {
  collection: string
  read: ReadSettings
}

/** Several keys, addresses or providers of a model, among which the gateway spreads the calls of a collection. */
export const Deployments = ({ collection, read: { settings, etag } }: DeploymentsProps) => {
  const queries = useQueryClient()
  const mayWrite = useMayWrite()
  const [opened, setOpened] = useState<number | 'new'>()
  const deployments = settings.deployments ?? []
  const shares = sharesOf(deployments)
  const renewed = () => queries.invalidateQueries({ queryKey: settingsKey(collection) })
  const set = async (change: Pick<Partial<ShownSettings>, 'deployments' | 'deployment_choice'>) => {
    try {
      await api.updateCollectionSettings({
        params: { collection },
        body: change,
        headers: etag === null ? {} : { 'if-match': etag },
      })
    } finally {
      await renewed()
    }
  }
  const act = useMutation({
    mutationFn: set,
    onSuccess: () => showToast({ text: 'Saved' }),
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  const listOf = (list: readonly Deployment[]) => ({ deployments: list.length === 0 ? null : [...list] })
  const isDisabled = !mayWrite || act.isPending
  return (
    <section aria-label="Deployments" className="flex max-w-150 flex-col gap-3">
      <div className="flex flex-wrap items-start gap-x-6 gap-y-2">
        <div className="min-w-60 flex-1">
          <h2 className="font-semibold text-15">Deployments</h2>
          <p className="mt-1 text-muted">
            Several keys, addresses or providers of one model. One that fails gets no calls until it has cooled down.
          </p>
        </div>
        <Button icon="plus" disabled={isDisabled} onClick={() => setOpened('new')}>
          Add a deployment
        </Button>
      </div>
      {deployments.length > 0 && (
        <>
          <SelectField
            label="The next call goes"
            disabled={isDisabled}
            value={settings.deployment_choice ?? 'weight'}
            onChange={(change) =>
              act.mutate({ deployment_choice: change.target.value === 'latency' ? 'latency' : 'weight' })
            }
            options={[
              ['weight', 'by weight'],
              ['latency', 'to the one that answered fastest lately'],
            ]}
          />
          <ul aria-label="Deployments" className="divide-y divide-line border-line border-y">
            {deployments.map((one, at) => (
              <DeploymentRow
                key={JSON.stringify([at, one])}
                of={one}
                share={shares[at] ?? 0}
                isDisabled={isDisabled}
                onEdit={() => setOpened(at)}
                onRemove={() => act.mutate(listOf(deployments.filter((_, other) => other !== at)))}
              />
            ))}
          </ul>
        </>
      )}
      {opened !== undefined && (
        <DeploymentForm
          of={opened === 'new' ? undefined : deployments[opened]}
          save={(made) =>
            set(
              listOf(
                opened === 'new' ? [...deployments, made] : deployments.map((one, at) => (at === opened ? made : one)),
              ),
            )
          }
          onClose={() => setOpened(undefined)}
        />
      )}
    </section>
  )
}
