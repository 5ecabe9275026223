import { useRef, useState } from 'react'
import { isObject, type JsonObject, parsedJson } from '../../../../src/lib/json/json-object.ts'
import { api } from '../../../data/api.ts'
import { bytesText } from '../../../text/numbers.ts'
import { Button, IconButton } from '../../../ui/button.tsx'
import { TextArea } from '../../../ui/field.tsx'
/** Makes a function that gives what a promise gives, or undefined once it was called again: only the last call counts. */
export const makeLatest = () => {
  let calls = 0
  return async <Value,>(work: Promise<Value> | undefined): Promise<Value | undefined> => {
    const mine = ++calls
    const value = await work
    return mine === calls ? value : undefined
  }
}

/** Rows that were typed or pasted, or why they are none. */
type EnteredRows = { rows: JsonObject[] } | { error: string }

const lineFault = (line: number): EnteredRows => ({
  error: `Line ${line} is not a JSON object, such as {"text": "hello"}`,
})

/** Reads rows from a text: a JSON array of objects, or one object per line. Empty lines count for nothing. */
export const rowsOf = (text: string): EnteredRows => {
  if (text.trim() === '') return { rows: [] }
  const whole = parsedJson(text)
  if (Array.isArray(whole)) {
    const at = whole.findIndex((row) => !isObject(row))
    return at < 0 ? { rows: whole as JsonObject[] } : { error: `Row ${at + 1} of the array is not an object` }
  }
  if (isObject(whole)) return { rows: [whole] }
  const rows: JsonObject[] = []
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const row = parsedJson(line)
    if (!isObject(row)) return lineFault(at + 1)
    rows.push(row)
  }
  return { rows }
}

/** The first lines of a text, each with its number; the server reads the whole file. */
export const firstLines = (text: string, most: number): { lines: string[]; more: boolean } => {
  const lines = text.split('\n', most + 1).map((line) => line.replace(/\r$/, ''))
  while (lines.at(-1) === '') lines.pop()
  return { lines: lines.slice(0, most), more: lines.length > most }
}

/** How much of a file is read to show its beginning. */
const previewBytes = 16 * 1024
const previewLines = 4

/** A file of rows, with its beginning. */
interface ChosenFile {
  file: File
  lines: string[]
  more: boolean
}

/** The rows that a person has chosen. */
interface RowChoice {
  chosen: ChosenFile | undefined
  choose: (file: File | undefined) => void
  text: string
  setText: (text: string) => void
  entered: EnteredRows
  /** Rows that were typed or pasted, or are in a small file; 0: not known before the server reads them. */
  count: number
  isReady: boolean
  /** Sends the file, and gives what a request names its rows by. */
  source: (collection: string) => Promise<{ file_path: string } | { items: Record<string, unknown>[] }>
}

const look = async (file: File): Promise<ChosenFile> => {
  // What cannot be read is refused when it is sent, and says why.
  const beginning = await file
    .slice(0, previewBytes)
    .text()
    .catch(() => '')
  return { file, ...firstLines(beginning, previewLines) }
}

/** Rows of a file that was read whole; the first line of a CSV file names the columns. */
const rowsInFile = ({ file, lines, more }: ChosenFile): number =>
  more || file.size > previewBytes ? 0 : Math.max(0, lines.length - (file.name.endsWith('.csv') ? 1 : 0))

const uploaded = async (collection: string, file: File): Promise<string> => {
  const { path } = await api.uploadFile({
    body: { collection },
    files: [{ field: 'file', name: file.name, content: file }],
  })
  return path
}

/** Keeps the rows that a person chooses. */
export const useRowChoice = (): RowChoice => {
  const [text, setText] = useState('')
  const [chosen, setChosen] = useState<ChosenFile>()
  const [latest] = useState(makeLatest)
  const entered = rowsOf(text)
  const rows = 'rows' in entered ? entered.rows : []
  return {
    ...{ chosen, text, setText, entered },
    choose: (file) => {
      if (file === undefined) setChosen(undefined)
      void latest(file && look(file)).then((found) => found && setChosen(found))
    },
    count: chosen ? rowsInFile(chosen) : rows.length,
    isReady: chosen !== undefined || rows.length > 0,
    source: async (collection) => (chosen ? { file_path: await uploaded(collection, chosen.file) } : { items: rows }),
  }
}

/** Chooses rows: a file, which the server reads, or what is typed or pasted. */
export const RowSource = ({ choice }: { choice: RowChoice }) => {
  const { chosen, text, entered, count } = choice
  return (
    <>
      <FileOfRows chosen={chosen} onChoose={choice.choose} />
      {!chosen && (
        <TextArea
          label="Or rows: one JSON object per line"
          isCode
          rows={5}
          value={text}
          placeholder={'{"topic": "harbours"}\n{"topic": "ports"}'}
          onChange={(event) => choice.setText(event.target.value)}
          error={'error' in entered ? entered.error : undefined}
          hint={count > 0 ? `${count} ${count === 1 ? 'row' : 'rows'}` : undefined}
        />
      )}
    </>
  )
}

const FileOfRows = ({
  chosen,
  onChoose,
}: {
  chosen: ChosenFile | undefined
  onChoose: (file: File | undefined) => void
}) => {
  const chooser = useRef<HTMLInputElement>(null)
  return (
    <section
      aria-label="File of rows"
      className="rounded-m border border-edge border-dashed p-3"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault()
        onChoose(event.dataTransfer.files[0])
      }}
    >
      {chosen ? (
        <>
          <p className="flex items-center gap-3">
            <span className="min-w-0 flex-1 truncate">{chosen.file.name}</span>
            <span className="text-12 text-faint">{bytesText(chosen.file.size)}</span>
            <IconButton icon="cross" label={`Remove ${chosen.file.name}`} onClick={() => onChoose(undefined)} />
          </p>
          <pre className="mt-2 overflow-x-auto rounded-s bg-sunk p-2 font-mono text-12">
            {chosen.lines.join('\n')}
            {chosen.more && '\n…'}
          </pre>
        </>
      ) : (
        <div className="flex flex-wrap items-center gap-3">
          <Button onClick={() => chooser.current?.click()}>Choose a file</Button>
          <span className="text-muted">CSV with a header line, or JSON lines (.csv, .jsonl); or drop it here</span>
        </div>
      )}
      <input
        ref={chooser}
        type="file"
        accept=".csv,.jsonl,.ndjson"
        aria-label="Choose a file of rows"
        className="sr-only"
        tabIndex={-1}
        onChange={(event) => {
          onChoose(event.target.files?.[0])
          event.target.value = ''
        }}
      />
    </section>
  )
}
