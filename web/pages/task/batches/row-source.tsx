import { useRef } from 'react'
import { bytesText } from '../../../text/bytes.ts'
import { Button, IconButton } from '../../../ui/button.tsx'
import { TextArea } from '../../../ui/field.tsx'
import type { ChosenFile, RowChoice } from './use-row-choice.ts'

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
