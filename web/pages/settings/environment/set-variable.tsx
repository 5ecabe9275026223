import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useId, useState } from 'react'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { Checkbox, TextArea, TextField } from '../../../ui/field.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { fieldErrors } from '../field-errors.ts'

interface SetVariableProps {
  name: string
  /** It has a value already, which is replaced. */
  isKnown: boolean
  onSet: (variables: Record<string, string>) => Promise<void>
  onClose: () => void
}

/** Sets one variable. The value is hidden while it is typed, unless it has several lines. */
export const SetVariable = ({ name: given, isKnown, onSet, onClose }: SetVariableProps) => {
  const form = useId()
  const [name, setName] = useState(given)
  const [value, setValue] = useState('')
  const [isLong, setLong] = useState(false)
  const save = useMutation({
    gcTime: 0, // nothing remembers the value
    mutationFn: onSet,
    onSuccess: (_, set) => {
      showToast({ text: `${Object.keys(set)} is set. Runs that start from now on use it.` })
      onClose()
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (name.trim() !== '' && value !== '') save.mutate({ [name.trim()]: value })
  }
  const { at, rest } = fieldErrors(save.error, [name.trim()])
  const error = at[name.trim()]
  const isOfName = error?.includes('name') ?? false
  const field = {
    label: isKnown ? 'New value' : 'Value',
    value,
    error: isOfName ? undefined : error,
    onChange: (event: { target: { value: string } }) => setValue(event.target.value),
  }
  return (
    <Dialog
      title={isKnown ? `Replace ${given}` : 'Set a variable'}
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="main" type="submit" form={form} disabled={name.trim() === '' || value === '' || save.isPending}>
            {isKnown ? 'Replace' : 'Set'}
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        {!isKnown && (
          <TextField
            label="Name"
            isCode
            hint="Letters, digits and underscores, such as OPENAI_API_KEY"
            value={name}
            error={isOfName ? error : undefined}
            onChange={(event) => setName(event.target.value)}
          />
        )}
        {isLong ? (
          <TextArea {...field} isCode />
        ) : (
          <TextField {...field} isCode type="password" autoComplete="new-password" />
        )}
        <Checkbox label="It has several lines" checked={isLong} onChange={(event) => setLong(event.target.checked)} />
        {rest !== undefined && <Problem error={rest} />}
      </form>
    </Dialog>
  )
}
