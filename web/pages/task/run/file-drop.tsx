import { useRef } from 'react'
import { bytesText } from '../../../text/numbers.ts'
import { Button, IconButton } from '../../../ui/button.tsx'

interface FileDropProps {
  files: readonly File[]
  onAdd: (files: Iterable<File>) => void
  onRemove: (file: File) => void
}

/** Files that are sent with a run. The whole page takes what is dropped; this shows it, and opens the file chooser. */
export const FileDrop = ({ files, onAdd, onRemove }: FileDropProps) => {
  const chooser = useRef<HTMLInputElement>(null)
  return (
    <section aria-label="Files" className="rounded-m border border-edge border-dashed p-3">
      {files.map((file) => (
        <p key={`${file.name} ${file.size} ${file.lastModified}`} className="flex items-center gap-3">
          <span className="min-w-0 flex-1 truncate">{file.name}</span>
          <span className="text-12 text-faint">{bytesText(file.size)}</span>
          <IconButton icon="cross" label={`Remove ${file.name}`} onClick={() => onRemove(file)} />
        </p>
      ))}
      <div className="flex flex-wrap items-center gap-3">
        <Button onClick={() => chooser.current?.click()}>Choose files</Button>
        <span className="text-muted">or drop them anywhere on this page; steps find them in file_paths</span>
      </div>
      <input
        ref={chooser}
        type="file"
        multiple
        aria-label="Choose files"
        className="sr-only"
        tabIndex={-1}
        onChange={(event) => {
          onAdd([...(event.target.files ?? [])])
          event.target.value = ''
        }}
      />
    </section>
  )
}
