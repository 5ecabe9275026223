import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useState } from 'react'
import { AppError } from '../../../../src/lib/errors.ts'
import type { SetCollectionSettings } from '../../../../src/model/collections/collection-settings.ts'
import { api } from '../../../data/api.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { fieldErrors } from '../../../parts/field-errors.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { SelectField, TextArea, TextField } from '../../../ui/field.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { changeOfEntries, entryFault, entryOfSetting, operatorNote, type SettingField } from './setting-fields.ts'
import { type ReadSettings, settingsKey } from './settings-query.ts'

interface FieldOfSettingProps {
  field: SettingField
  /** What the operator has set. */
  note: string | undefined
  entry: string
  error: string | undefined
  isDisabled: boolean
  onEnter: (entry: string) => void
}

const FieldOfSetting = ({ field, note, entry, error, isDisabled, onEnter }: FieldOfSettingProps) => {
  const { label, hint, kind, empty } = field
  const common = {
    label,
    hint: note === undefined ? hint : `${hint} ${note}`,
    error,
    disabled: isDisabled,
    value: entry,
    onChange: (event: { target: { value: string } }) => onEnter(event.target.value),
  }
  if (kind === 'lines') return <TextArea {...common} isCode placeholder={empty} />
  if (kind !== 'switch') return <TextField {...common} inputMode="decimal" placeholder={empty} />
  return (
    <SelectField
      {...common}
      options={[
        ['', empty],
        ['true', 'Yes'],
        ['false', 'No'],
      ]}
    />
  )
}

interface SettingsFormProps {
  collection: string
  read: ReadSettings
  fields: readonly SettingField[]
  /** Asks before a change is saved, where it removes something; calls back when it may be. */
  confirm?: (change: SetCollectionSettings, save: () => Promise<unknown>, close: () => void) => ReactNode
}

/** A form of settings: it saves only what differs, and never over the change of somebody else. */
export const SettingsForm = ({ collection, read, fields, confirm }: SettingsFormProps) => {
  const queries = useQueryClient()
  const mayWrite = useMayWrite()
  const [entries, setEntries] = useState<Readonly<Record<string, string>>>({})
  const [asked, setAsked] = useState<ReactNode>()
  const change = changeOfEntries(read.settings, fields, entries)
  const isChanged = Object.keys(change).length > 0
  const faults = Object.fromEntries(fields.map((field) => [field.name, entryFault(field, entries[field.name] ?? '')]))
  const isFaulty = Object.values(faults).some((fault) => fault !== undefined)
  const save = useMutation({
    mutationFn: (_sent: typeof entries) =>
      api.updateCollectionSettings({
        params: { collection },
        body: change,
        headers: read.etag === null ? {} : { 'if-match': read.etag },
      }),
    onSuccess: async (_, sent) => {
      await queries.invalidateQueries({ queryKey: settingsKey(collection) })
      // What was typed meanwhile stays.
      setEntries((were) => Object.fromEntries(Object.entries(were).filter(([name, entry]) => sent[name] !== entry)))
      showToast({ text: 'Saved' })
    },
    onError: (error) => {
      const isLate = error instanceof AppError && error.code === 'precondition_failed'
      if (isLate) void queries.invalidateQueries({ queryKey: settingsKey(collection) })
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!isChanged || isFaulty || save.isPending) return
    const question = confirm?.(
      change,
      () => save.mutateAsync(entries),
      () => setAsked(undefined),
    )
    if (question) setAsked(question)
    else save.mutate(entries)
  }
  const names = fields.map(({ name }) => name.split('.').at(-1) ?? name)
  const { at, rest } = fieldErrors(save.error, names)
  return (
    <>
      <form onSubmit={submit} className="flex max-w-110 flex-col gap-5">
        {fields.map((field, index) => (
          <FieldOfSetting
            key={field.name}
            field={field}
            note={operatorNote(read.settings, field)}
            entry={entries[field.name] ?? entryOfSetting(read.settings, field)}
            error={faults[field.name] ?? at[names[index] ?? '']}
            isDisabled={!mayWrite}
            onEnter={(entry) => setEntries((were) => ({ ...were, [field.name]: entry }))}
          />
        ))}
        {rest !== undefined && <Problem error={rest} />}
        <div className="flex gap-2">
          <Button look="main" type="submit" disabled={!mayWrite || !isChanged || isFaulty || save.isPending}>
            Save
          </Button>
          <Button look="quiet" disabled={!isChanged} onClick={() => setEntries({})}>
            Undo
          </Button>
          {!mayWrite && <p className="self-center text-muted">Your key may read only.</p>}
        </div>
      </form>
      {asked}
    </>
  )
}
