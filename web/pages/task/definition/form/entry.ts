import { useState } from 'react'
import { type FieldReading, fieldEntry, readEntered, type StepField } from './step-fields.ts'

/** Writes a value, or removes the member that has it. */
export type SetValue = (value: unknown) => void

interface Typed {
  entry: string
  /** What the text has since then. */
  written: string | undefined
}

/** The entry of a field: what was typed, as long as the text of the workflow says the same, otherwise its value. */
export const useEntry = (field: StepField, onSet: SetValue) => {
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
