import { type ReactNode, Suspense, useMemo } from 'react'
import { parsedObject } from '../../../../src/lib/json/json-object.ts'
import { lazyPart } from '../../../data/server-away.ts'
import { Checkbox, SelectField, TextArea, TextField } from '../../../ui/field.tsx'
import type { PlaygroundDraft } from '../draft/draft.ts'
import { type FieldFaults, type ParameterFields, wantedFormats } from './fields.ts'
import { schemaFaults } from './schema-faults.ts'

const JsonEditor = lazyPart(() => import('../../../parts/editor/json-editor.tsx'))

interface SettingsPanelProps {
  draft: Pick<PlaygroundDraft, 'system' | 'fields'>
  faults: FieldFaults
  /** Counts how often a whole draft was put in the place of another: editors begin anew then. */
  opened: number
  onChange: (part: Partial<Pick<PlaygroundDraft, 'system' | 'fields'>>) => void
  /** Stands on top: which models are asked. */
  children: ReactNode
}

const formatTexts = { text: 'Text', json_object: 'JSON of any form', json_schema: 'JSON that fits a schema' } as const

/** What all models are told beside the conversation. An empty field is left to the model. */
export const SettingsPanel = ({
  draft: { system, fields },
  faults,
  opened,
  onChange,
  children,
}: SettingsPanelProps) => {
  const set = (part: Partial<ParameterFields>) => onChange({ fields: { ...fields, ...part } })
  const field = (
    name: 'temperature' | 'maxTokens' | 'topP' | 'seed',
    label: string,
    numeric: 'decimal' | 'numeric',
  ) => (
    <TextField
      label={label}
      inputMode={numeric}
      placeholder="default"
      value={fields[name]}
      error={faults[name]}
      onChange={(event) => set({ [name]: event.target.value.trim() })}
    />
  )
  return (
    <div className="flex flex-col gap-4 p-4">
      {children}
      <TextArea
        label="System prompt"
        placeholder="How the model is to answer"
        value={system}
        onChange={(event) => onChange({ system: event.target.value })}
      />
      <div className="grid grid-cols-2 gap-3">
        {field('temperature', 'Temperature', 'decimal')}
        {field('maxTokens', 'Max tokens', 'numeric')}
        {field('topP', 'Top p', 'decimal')}
        {field('seed', 'Seed', 'numeric')}
      </div>
      <TextArea
        label="Stop, one a line"
        rows={1}
        isCode
        value={fields.stop}
        error={faults.stop}
        onChange={(event) => set({ stop: event.target.value })}
      />
      <SelectField
        label="Answer"
        options={wantedFormats.map((format) => [format, formatTexts[format]] as const)}
        value={fields.format}
        onChange={(event) => set({ format: wantedFormats.find((one) => one === event.target.value) ?? 'text' })}
      />
      {fields.format === 'json_schema' && <SchemaField key={opened} fields={fields} faults={faults} onChange={set} />}
      <details open={fields.more.trim() !== '' || faults.more !== undefined}>
        <summary className="mb-2 text-12 text-muted">Further members of the request</summary>
        <TextArea
          label="Further members, as a JSON object"
          hidesLabel
          isCode
          placeholder={'{"presence_penalty": 0.5, "tools": []}'}
          value={fields.more}
          error={faults.more}
          onChange={(event) => set({ more: event.target.value })}
        />
      </details>
    </div>
  )
}

const SchemaField = ({
  fields: { schema, schemaName, isStrict },
  faults,
  onChange,
}: {
  fields: ParameterFields
  faults: FieldFaults
  onChange: (part: Partial<ParameterFields>) => void
}) => {
  const problems = useMemo(() => {
    const parsed = parsedObject(schema)
    return parsed ? schemaFaults(parsed, isStrict) : []
  }, [schema, isStrict])
  return (
    <div className="flex flex-col gap-2">
      <TextField
        label="Name of the schema"
        isCode
        value={schemaName}
        error={faults.schemaName}
        onChange={(event) => onChange({ schemaName: event.target.value })}
      />
      <div className="flex h-64 flex-col overflow-hidden rounded-m border border-line">
        <Suspense fallback={<p className="p-3 text-muted">Loading the editor…</p>}>
          <JsonEditor
            label="JSON Schema of the answer"
            text={schema}
            problems={problems}
            onChange={(text) => onChange({ schema: text })}
          />
        </Suspense>
      </div>
      {faults.schema !== undefined && (
        <p role="alert" className="text-12 text-bad">
          {faults.schema}
        </p>
      )}
      {faults.schema === undefined && problems[0] && <p className="text-12 text-muted">{problems[0].message}</p>}
      <Checkbox
        label="strict: the provider enforces it"
        checked={isStrict}
        onChange={(event) => onChange({ isStrict: event.target.checked })}
      />
    </div>
  )
}
