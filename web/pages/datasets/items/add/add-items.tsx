import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../../../data/api.ts'
import { keys } from '../../../../data/keys.ts'
import { errorText } from '../../../../parts/problem.tsx'
import { Button } from '../../../../ui/button.tsx'
import { Dialog } from '../../../../ui/dialog.tsx'
import { SelectField } from '../../../../ui/field.tsx'
import { showToast } from '../../../../ui/toast.tsx'
import { CheckedItems } from './checked-items.tsx'
import { ItemSource } from './item-source.tsx'
import { pastedContent, pastedFileName } from './pasted-file.ts'

interface AddItemsProps {
  collection: string
  dataset: string
  /** A file that was dropped on the page. */
  dropped?: File | undefined
  onClose: () => void
}

type Mode = 'upsert' | 'replace'
type Delimiter = 'comma' | 'semicolon' | 'tab' | 'pipe'

const delimiters: (readonly [Delimiter | '', string])[] = [
  ['', 'Find it in the first rows'],
  ['comma', 'Comma'],
  ['semicolon', 'Semicolon'],
  ['tab', 'Tab'],
  ['pipe', 'Pipe'],
]

const modes: (readonly [Mode, string])[] = [
  ['upsert', 'Add and change; the others stay'],
  ['replace', 'Replace all items'],
]

/** Items from a file or a pasted text: shows what would be written and what would be refused, then writes it. */
export const AddItems = ({ collection, dataset, dropped, onClose }: AddItemsProps) => {
  const queries = useQueryClient()
  const [file, setFile] = useState<File | undefined>(dropped)
  const [text, setText] = useState('')
  const [mode, setMode] = useState<Mode>('upsert')
  const [delimiter, setDelimiter] = useState<Delimiter | ''>('')
  const name = file?.name ?? pastedFileName(text)
  const isCsv = text.trim() !== '' || file ? /\.csv$/i.test(name) : false
  const request = () => {
    const content = file ?? new File([pastedContent(text)], name)
    const files = [{ field: 'file', name: content.name, content }]
    return {
      params: { collection, dataset },
      body: { mode, ...(isCsv && delimiter !== '' ? { delimiter } : {}) },
      files,
    }
  }
  const check = useMutation({ mutationFn: () => api.checkItems(request()) })
  const write = useMutation({
    mutationFn: () => api.importItems(request()),
    onSuccess: async ({ added, changed, removed, version }) => {
      await queries.invalidateQueries({ queryKey: keys.dataset(collection, dataset) })
      showToast({ text: `Version ${version}: ${added} added, ${changed} changed, ${removed} removed` })
      onClose()
    },
  })
  const checked = check.data
  const isClean = checked !== undefined && checked.refused_count === 0
  const writes = checked ? checked.added + checked.changed + checked.removed : 0
  const change = (next: { file?: File | undefined; text?: string; mode?: Mode; delimiter?: Delimiter | '' }) => {
    check.reset()
    write.reset()
    if ('file' in next) setFile(next.file)
    if (next.text !== undefined) setText(next.text)
    if (next.mode !== undefined) setMode(next.mode)
    if (next.delimiter !== undefined) setDelimiter(next.delimiter)
  }
  const error = check.error ?? write.error
  return (
    <Dialog
      title="Add items"
      isOpen
      onClose={onClose}
      width="wide"
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            look={isClean ? 'plain' : 'main'}
            disabled={(!file && text.trim() === '') || check.isPending}
            onClick={() => check.mutate()}
          >
            {check.isPending ? 'Checking…' : 'Check'}
          </Button>
          {isClean && (
            <Button look="main" disabled={writes === 0 || write.isPending} onClick={() => write.mutate()}>
              {writes === 0 ? 'Nothing to write' : `Write ${writes.toLocaleString('en')}`}
            </Button>
          )}
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <ItemSource
          file={file}
          text={text}
          onFile={(one) => change({ file: one })}
          onText={(one) => change({ text: one })}
        />
        <SelectField
          label="Items that are there already"
          value={mode}
          options={modes}
          onChange={(event) => change({ mode: event.target.value as Mode })}
        />
        {isCsv && (
          <SelectField
            label="Between the cells"
            value={delimiter}
            options={delimiters}
            onChange={(event) => change({ delimiter: event.target.value as Delimiter | '' })}
          />
        )}
        {error && (
          <p role="alert" className="text-bad [overflow-wrap:anywhere]">
            {errorText(error)}
          </p>
        )}
        {checked && <CheckedItems check={checked} />}
      </div>
    </Dialog>
  )
}
