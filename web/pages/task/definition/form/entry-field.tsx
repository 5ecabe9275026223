import { useState } from 'react'
import { SelectField, TextArea, TextField } from '../../../../ui/field.tsx'
import { type FieldReading, fieldEntry, readEntered, type StepField } from './step-fields.ts'

/** Writes a value, or removes the member that has it. */
type SetValue = (value: unknown) => void

interface Typed {
  entry: string
  /** What the text has since then. */
  written: string | undefined
}

/** The entry of a field: what was typed, as long as the text of the workflow says the same, otherwise its value. */
const useEntry = (field: StepField, onSet: SetValue) => {
  const [typed, setTyped] = useState<Typed>()
  const known = JSON.stringify(field.value)
  const entry = typed && typed.written === known ? typed.entry : fieldEntry(field.input, field.value)
  const reading: FieldReading = readEntered(field, entry)
  const enter = (next: string) => {
    const read = readEntered(field, next)
    if (read && 'error' in read) setTyped({ entry: next, written: known })
    else {
      setTyped({ entry: next, written: JSON.stringify(read?.value) })
      onSet(read?.value)
    }
  }
  return { entry, enter, error: reading && 'error' in reading ? reading.error : undefined }
}

/** What every field is given. */
export interface ValueFieldProps {
  field: StepField
  label: string
  hint: string
  /** What the server found wrong with the value. */
  problem: string | undefined
  isReadOnly: boolean
  onSet: SetValue
}

const codeRows = 5
const textRows = 3

/** Names of languages as people write them. */
const languages: Readonly<Record<string, string>> = {
  jsonata: 'JSONata',
  javascript: 'JavaScript',
  markdown: 'Markdown',
  python: 'Python',
  shell: 'Shell',
  sql: 'SQL',
}

const standardText = (field: StepField): string => {
  const { default: standard } = field.parameter
  return standard === null || standard === undefined ? '–' : `Default: ${String(standard)}`
}

/** A field whose value is entered as one text. */
export const EntryField = ({ field, label, hint, problem, isReadOnly, onSet }: ValueFieldProps) => {
  const { entry, enter, error } = useEntry(field, onSet)
  const { input, parameter, language } = field
  const onChange = (event: { target: { value: string } }) => enter(event.target.value)
  const common = { label, hint, error: error ?? problem, onChange, value: entry }
  const whole = { ...common, readOnly: isReadOnly }
  switch (input) {
    case 'boolean':
    case 'choice': {
      const values = input === 'boolean' ? [true, false] : parameter.choices
      const options = values.map((value) => [JSON.stringify(value), String(value)] as const)
      const isOther = entry !== '' && !options.some(([value]) => value === entry)
      const shown = [['', standardText(field)] as const, ...options, ...(isOther ? [[entry, entry] as const] : [])]
      return <SelectField {...common} disabled={isReadOnly} options={shown} />
    }
    case 'number':
    case 'integer':
      return <TextField {...whole} inputMode="decimal" isCode placeholder={standardText(field)} />
    case 'line':
      return <TextField {...whole} placeholder={standardText(field)} />
    case 'list':
      return <TextArea {...whole} hint={`${hint} One a line.`} isCode />
    case 'code': {
      const named = language === undefined ? label : `${label} · ${languages[language] ?? language}`
      return <TextArea {...whole} label={named} rows={codeRows} isCode />
    }
    case 'text':
      return <TextArea {...whole} rows={textRows} />
    default:
      return <TextArea {...whole} isCode />
  }
}
