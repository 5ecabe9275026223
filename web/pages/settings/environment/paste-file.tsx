import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useId, useState } from 'react'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { TextArea } from '../../../ui/field.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { readEnvFile } from './env-file.ts'

interface PasteFileProps {
  /** Names that are set already. */
  known: readonly string[]
  onSet: (variables: Record<string, string>) => Promise<void>
  onClose: () => void
}

/** Sets every variable of a .env file at once; those that it does not name stay. */
export const PasteFile = ({ known, onSet, onClose }: PasteFileProps) => {
  const form = useId()
  const [text, setText] = useState('')
  const file = readEnvFile(text)
  const variables = 'variables' in file ? file.variables : {}
  const names = Object.keys(variables)
  const replaced = names.filter((name) => known.includes(name))
  const save = useMutation({
    gcTime: 0, // nothing remembers the values
    mutationFn: onSet,
    onSuccess: (_, set) => {
      const { length } = Object.keys(set)
      showToast({ text: length === 1 ? '1 variable is set' : `${length} variables are set` })
      onClose()
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (names.length > 0) save.mutate(variables)
  }
  const replaces = replaced.length > 0 ? `. It replaces ${replaced.join(', ')}` : ''
  return (
    <Dialog
      title="Paste a .env file"
      isOpen
      onClose={onClose}
      width="wide"
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="main" type="submit" form={form} disabled={names.length === 0 || save.isPending}>
            {names.length === 1 ? 'Set 1 variable' : `Set ${names.length} variables`}
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        <TextArea
          label="Lines of NAME=value"
          isCode
          rows={8}
          className="min-h-40"
          autoComplete="off"
          value={text}
          error={'line' in file ? `Line ${file.line} ${file.reason}` : undefined}
          hint={
            names.length === 0 ? 'Comments, export and quotes are understood' : `It sets ${names.join(', ')}${replaces}`
          }
          onChange={(event) => setText(event.target.value)}
        />
        {save.error && <Problem error={save.error} />}
      </form>
    </Dialog>
  )
}
