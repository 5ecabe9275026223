import { useMutation, useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { isObject } from '../../../src/lib/json/json-object.ts'
import { api } from '../../data/api.ts'
import type { Run, RunAddress } from '../../data/run.ts'
import { initParamsQuery } from '../../data/run-query.ts'
import { FormDialog } from '../../parts/form-dialog.tsx'
import { Problem } from '../../parts/problem.tsx'
import { type RerunWish, rerunCommand } from '../../parts/run-commands.ts'
import { CopyLine } from '../../ui/copy.tsx'
import { SelectField, TextArea } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Menu, type MenuItem } from '../../ui/menu.tsx'
import { showToast } from '../../ui/toast.tsx'

type Params = Record<string, unknown>

/** Reads edited parameters: an object, or what is wrong with the text. */
export const readParams = (text: string): { params?: Params; problem?: string } => {
  try {
    const value: unknown = JSON.parse(text)
    if (isObject(value)) return { params: value }
    return { problem: 'Expected an object in braces, such as {"text": "hello"}' }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}

/**
 * The members that differ from the given parameters. A member that was taken out becomes null: the server merges what is
 * sent over what the run had.
 */
export const changedParams = (given: Params, edited: Params): Params => {
  const changed: Params = {}
  for (const [name, value] of Object.entries(edited)) {
    if (!Object.hasOwn(given, name) || JSON.stringify(given[name]) !== JSON.stringify(value)) changed[name] = value
  }
  for (const name of Object.keys(given)) if (!Object.hasOwn(edited, name)) changed[name] = null
  return changed
}

/** Runs a run again and goes to the new run. */
export const useRerun = (place: RunAddress) => {
  const navigate = useNavigate()
  return useMutation({
    mutationFn: ({ from, current, replay, params = {} }: RerunWish) =>
      api.rerunTrajectory({
        params: { collection: place.collection, task: place.task, trajectory_id: place.id },
        body: {
          init_params: params,
          version: current ? 'current' : 'same',
          mode: replay ? 'replay' : 'run',
          ...(from === undefined ? {} : { from_step: from }),
        },
      }),
    onSuccess: ({ trajectory_id: id }) => {
      showToast({ text: `Started ${id}` })
      void navigate({ to: '/$collection/$task/$id', params: { collection: place.collection, task: place.task, id } })
    },
    onError: (error) => showToast({ text: error.message, isBad: true }),
  })
}

interface RerunMenuProps {
  run: Run
  step: string | undefined
  onRerun: (choice: RerunWish) => void
  onEdit: () => void
  isPending: boolean
}

/** One button, and a menu named by what it does. */
export const RerunMenu = ({ step, onRerun, onEdit, isPending }: RerunMenuProps) => {
  const items: MenuItem[] = [
    { text: 'Same version, from the beginning', icon: 'again', onSelect: () => onRerun({}) },
    { text: 'Current version, from the beginning', icon: 'again', onSelect: () => onRerun({ current: true }) },
    ...(step === undefined
      ? []
      : [
          {
            text: `Same version, from ${step}`,
            icon: 'play',
            isApart: true,
            onSelect: () => onRerun({ from: step }),
          } as const,
          {
            text: `Current version, from ${step}`,
            icon: 'play',
            onSelect: () => onRerun({ from: step, current: true }),
          } as const,
        ]),
    { text: 'With other parameters…', icon: 'edit', isApart: true, onSelect: onEdit },
    { text: 'Replay: call nothing, compare', icon: 'compare', onSelect: () => onRerun({ replay: true }) },
  ]
  return (
    <Menu
      side="left"
      className="inline-flex h-7 items-center gap-1.5 rounded-m border border-line bg-raised px-2.5 font-medium hover:bg-sunk"
      button={
        <>
          <Icon name="again" />
          {isPending ? 'Starting…' : 'Re-run'}
          <Icon name="down" className="size-3" />
        </>
      }
      items={items}
    />
  )
}

interface EditProps {
  run: Run
  place: RunAddress
  step: string | undefined
  onClose: () => void
  onRerun: (choice: RerunWish) => void
}

/** Runs a run again with other parameters, in the place where they are seen. */
export const RerunDialog = ({ run, place, step, onClose, onRerun }: EditProps) => {
  const { data: given, error } = useQuery(initParamsQuery(place))
  const [typed, setTyped] = useState<string>()
  const [version, setVersion] = useState('same')
  const [from, setFrom] = useState('')
  const text = typed ?? JSON.stringify(given ?? {}, null, 2)
  const read = readParams(text)
  const params = given && read.params && changedParams(given, read.params)
  const choice: RerunWish = { params: params ?? {}, current: version === 'current', ...(from === '' ? {} : { from }) }
  return (
    <FormDialog
      title="Run again with other parameters"
      width="wide"
      action="Run"
      isReady={params !== undefined}
      work={async () => onRerun(choice)}
      onClose={onClose}
    >
      {error && <Problem error={error} />}
      {!given && !error && <p className="text-muted">Loading…</p>}
      <TextArea
        label="init_params"
        isCode
        value={text}
        error={read.problem}
        onChange={(event) => setTyped(event.target.value)}
        className="max-h-80 min-h-40 overflow-auto"
      />
      <div className="grid gap-3 sm:grid-cols-2">
        <SelectField
          label="Version"
          value={version}
          onChange={(event) => setVersion(event.target.value)}
          options={[
            ['same', 'the one that was executed'],
            ['current', 'the current one of the task'],
          ]}
        />
        <SelectField
          label="From"
          value={from}
          onChange={(event) => setFrom(event.target.value)}
          options={[
            ['', 'the beginning'],
            ...Object.keys(run.steps)
              .slice(0, 500)
              .map((name) => [name, name === step ? `${name} (chosen)` : name] as const),
          ]}
        />
      </div>
      <p className="text-12 text-muted">
        {params === undefined
          ? ''
          : Object.keys(params).length === 0
            ? 'Nothing is changed yet.'
            : `Changed: ${Object.keys(params).join(', ')}`}
      </p>
      <CopyLine text={rerunCommand(run, choice)} />
    </FormDialog>
  )
}
