import { type DragEvent, useRef } from 'react'
import { bytesText } from '../../../../text/bytes.ts'
import { Button } from '../../../../ui/button.tsx'
import { TextArea } from '../../../../ui/field.tsx'

interface ItemSourceProps {
  file: File | undefined
  text: string
  onFile: (file: File | undefined) => void
  onText: (text: string) => void
}

/** A file that is chosen or dropped, or a text that is pasted. */
export const ItemSource = ({ file, text, onFile, onText }: ItemSourceProps) => {
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
