import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type DragEvent, useRef, useState } from 'react'
import { api } from '../../../../data/api.ts'
import { keys } from '../../../../data/keys.ts'
import { errorText } from '../../../../parts/problem.tsx'
import { withPlaces } from '../../../../parts/with-places.ts'
import { bytesText } from '../../../../text/numbers.ts'
import { Button } from '../../../../ui/button.tsx'
import { Dialog } from '../../../../ui/dialog.tsx'
import { SelectField, TextArea } from '../../../../ui/field.tsx'
import { showToast } from '../../../../ui/toast.tsx'
import { itemText } from '../item-text.ts'
/** What the server is sent for a text that was pasted: its name says the format. */
export const pastedFileName = (text: string): string => {
  const start = text.trimStart()
  if (start.startsWith('[')) return 'pasted.json'
  return start.startsWith('{') ? 'pasted.jsonl' : 'pasted.csv'
}

/**
 * What is sent for a pasted text. One JSON object that is written over several lines becomes one line; cells of a
 * spreadsheet are copied with tabs between them, and become CSV.
 */
export const pastedContent = (text: string): string => {
  const name = pastedFileName(text)
  if (name === 'pasted.jsonl') return oneLine(text)
  return name === 'pasted.csv' && isTabbed(text) ? csvOfTabs(text) : text
}

const oneLine = (text: string): string => {
  try {
    return JSON.stringify(JSON.parse(text))
  } catch {
    return text
  }
}

const isTabbed = (text: string): boolean => (text.trimStart().split('\n', 1)[0] ?? '').includes('\t')

/** A cell in quotes, which may go over several lines, or a plain one, or what stands between two. */
const tabbedPart = /"(?:[^"]|"")*"(?=[\t\n]|$)|([^\t\n]+)|\t/g

const csvOfTabs = (text: string): string =>
  text
    .replaceAll('\r\n', '\n')
    .replace(tabbedPart, (part, plain?: string) =>
      plain === undefined ? (part === '\t' ? ',' : part) : csvCell(plain),
    )

const csvCell = (cell: string): string => (/[",]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)

type Check = Awaited<ReturnType<typeof api.checkItems>>

const words = [
  ['added', 'new'],
  ['changed', 'changed'],
  ['removed', 'removed'],
  ['unchanged', 'the same as now'],
] as const

const marks = { added: '+', changed: '≠', unchanged: '=' } as const

/** What a write would come to: the counts, the rows that are refused with their reasons, and the first that fit. */
const CheckedItems = ({ check }: { check: Check }) => (
  <section aria-label="What would be written" className="flex min-w-0 flex-col gap-3">
    <p className="flex flex-wrap gap-x-4">
      {words.map(([name, text]) => (
        <span key={name} className={check[name] === 0 ? 'text-muted' : ''}>
          <span className="font-medium">{check[name].toLocaleString('en')}</span> {text}
        </span>
      ))}
      {check.refused_count > 0 && (
        <span className="text-bad">
          <span className="font-medium">{check.refused_count.toLocaleString('en')}</span> refused
        </span>
      )}
    </p>
    {check.warnings?.map(({ message }) => (
      <p key={message} role="status" className="border-wait border-l-2 pl-2 [overflow-wrap:anywhere]">
        {message}
      </p>
    ))}
    {check.refused.length > 0 && <Refused check={check} />}
    <ul aria-label="Rows that fit" className="divide-y divide-line border-line border-y empty:hidden">
      {check.items.map(({ line, id, change, data }) => (
        <li key={line} className="flex items-baseline gap-3 px-2 py-1 text-12">
          <span className="w-10 shrink-0 text-right text-muted">{line}</span>
          <span className="w-18 shrink-0 text-muted">
            {marks[change]} {change}
          </span>
          <span className="max-w-40 shrink-0 truncate font-mono">{id}</span>
          <span className="min-w-0 flex-1 truncate text-muted">{itemText(data)}</span>
        </li>
      ))}
    </ul>
  </section>
)

const Refused = ({ check: { refused, refused_count: count } }: { check: Check }) => (
  <div>
    <p className="mb-1">Correct these rows and check again: nothing is written while a row is refused.</p>
    <ul aria-label="Refused rows" className="divide-y divide-line border-line border-y">
      {withPlaces(refused).map(({ element: { line, id, pointer, message }, place }) => (
        <li key={place} className="flex flex-wrap items-baseline gap-x-3 px-2 py-1 text-12">
          <span className="text-muted">line {line}</span>
          <span className="max-w-40 truncate font-mono">{id}</span>
          <span className="min-w-0 flex-1 [overflow-wrap:anywhere]">
            {pointer && <code className="mr-2">{pointer}</code>}
            {message}
          </span>
        </li>
      ))}
    </ul>
    {count > refused.length && <p className="mt-1 text-12 text-muted">These are the first faults.</p>}
  </div>
)

interface ItemSourceProps {
  file: File | undefined
  text: string
  onFile: (file: File | undefined) => void
  onText: (text: string) => void
}

/** A file that is chosen or dropped, or a text that is pasted. */
const ItemSource = ({ file, text, onFile, onText }: ItemSourceProps) => {
  const chooser = useRef<HTMLInputElement>(null)
  const onDrop = (event: DragEvent) => {
    event.preventDefault()
    event.stopPropagation()
    const [one] = event.dataTransfer.files
    if (one) onFile(one)
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a file can be chosen by a button, too
    <div className="flex flex-col gap-2" onDragOver={(event) => event.preventDefault()} onDrop={onDrop}>
      {file ? (
        <p className="flex items-center gap-3 rounded-m border border-line px-3 py-2">
          <span className="min-w-0 flex-1 truncate">{file.name}</span>
          <span className="shrink-0 text-12 text-muted">{bytesText(file.size)}</span>
          <Button look="quiet" onClick={() => onFile(undefined)}>
            Paste instead
          </Button>
        </p>
      ) : (
        <TextArea
          label="Paste CSV with a header, JSON lines, a JSON list, or cells of a spreadsheet"
          hint="The column or member id is the id of an item. expected is the expected result: judges see it, runs do not."
          isCode
          rows={8}
          className="max-h-80"
          value={text}
          onChange={(event) => onText(event.target.value)}
        />
      )}
      <div className="flex flex-wrap items-center gap-3">
        <Button onClick={() => chooser.current?.click()}>Choose a file</Button>
        <span className="text-12 text-muted">or drop one here: .csv, .jsonl, .json or .parquet</span>
      </div>
      <input
        ref={chooser}
        type="file"
        aria-label="File with items"
        accept=".csv,.jsonl,.ndjson,.json,.parquet"
        className="sr-only"
        tabIndex={-1}
        onChange={(event) => {
          const [one] = event.target.files ?? []
          if (one) onFile(one)
          event.target.value = ''
        }}
      />
    </div>
  )
}

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
