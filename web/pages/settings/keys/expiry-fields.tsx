import { useState } from 'react'
import { SelectField, TextField } from '../../../ui/field.tsx'
import { type ExpiryChoice, expiryChoices, expiryOf } from './key-state.ts'

/** Until when a key is valid, as somebody enters it. */
export const useExpiry = () => {
  const [choice, setChoice] = useState<ExpiryChoice>('90')
  const [day, setDay] = useState('')
  const [isRefused, setRefused] = useState(false)
  /** The moment; undefined: the field says what is wrong. */
  const read = () => {
    const moment = expiryOf(choice, day, Date.now())
    setRefused(moment === undefined)
    return moment
  }
  return { choice, setChoice, day, setDay, isRefused, read }
}

interface ExpiryFieldsProps {
  expiry: ReturnType<typeof useExpiry>
  error: string | undefined
}

export const ExpiryFields = ({ expiry, error }: ExpiryFieldsProps) => {
  const isDay = expiry.choice === 'day'
  const problem = isDay && expiry.isRefused ? 'Choose a day that has not passed' : error
  return (
    <>
      <SelectField
        label="Valid for"
        value={expiry.choice}
        hint="For a key that is valid for longer, use jetty keys create"
        error={isDay ? undefined : problem}
        onChange={(event) => expiry.setChoice(event.target.value as ExpiryChoice)}
        options={expiryChoices}
      />
      {isDay && (
        <TextField
          label="Last day"
          type="date"
          value={expiry.day}
          error={problem}
          onChange={(event) => expiry.setDay(event.target.value)}
        />
      )}
    </>
  )
}
