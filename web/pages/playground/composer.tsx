import { type ClipboardEvent, useRef } from 'react'
import { Button, IconButton } from '../../ui/button.tsx'
import { TextArea } from '../../ui/field.tsx'
import { keysText } from '../../ui/keys.ts'
import type { PlaygroundDraft } from './draft/draft.ts'
import { mostPictures, type Picture, pictureTypes } from './draft/pictures.ts'

interface ComposerProps {
  draft: Pick<PlaygroundDraft, 'text' | 'pictures'>
  isAnswering: boolean
  /** Why nothing can be sent, empty where that is plain to see; undefined: it can. */
  obstacle: string | undefined
  onChange: (part: Partial<Pick<PlaygroundDraft, 'text' | 'pictures'>>) => void
  onFiles: (files: readonly File[]) => void
  onSend: () => void
  onStop: () => void
}

/** The next question: a text, and images that are picked, pasted, or dropped on the page. */
export const Composer = ({ draft, isAnswering, obstacle, onChange, onFiles, onSend, onStop }: ComposerProps) => {
  const chooser = useRef<HTMLInputElement>(null)
  const { text, pictures } = draft
  const onPaste = (event: ClipboardEvent) => {
    const files = [...event.clipboardData.files]
    if (files.length === 0) return
    event.preventDefault()
    onFiles(files)
  }
  return (
    <section aria-label="Question" className="flex shrink-0 flex-col gap-2 border-line border-t px-4 py-3">
      {pictures.length > 0 && (
        <ul aria-label="Images" className="flex flex-wrap gap-2">
          {pictures.map((picture, at) => (
            <PictureChip
              // biome-ignore lint/suspicious/noArrayIndexKey: two images may be the same
              key={at}
              picture={picture}
              onRemove={() => onChange({ pictures: pictures.filter((_, other) => other !== at) })}
            />
          ))}
        </ul>
      )}
      <TextArea
        label="Message"
        hidesLabel
        rows={2}
        placeholder="Ask something"
        className="max-h-[40dvh] min-h-14"
        value={text}
        onChange={(event) => onChange({ text: event.target.value })}
        onPaste={onPaste}
      />
      <div className="flex flex-wrap items-center gap-2">
        <Button
          icon="plus"
          look="quiet"
          disabled={pictures.length >= mostPictures}
          onClick={() => chooser.current?.click()}
          title="You can also paste an image, or drop it anywhere on this page"
        >
          Image
        </Button>
        <span className="min-w-0 flex-1 text-12 text-muted">{obstacle}</span>
        {isAnswering ? (
          <Button icon="stop" onClick={onStop} title={keysText('esc')}>
            Stop
          </Button>
        ) : (
          <Button look="main" icon="play" disabled={obstacle !== undefined} onClick={onSend}>
            Send <kbd className="font-sans text-11">{keysText('mod+enter')}</kbd>
          </Button>
        )}
      </div>
      <input
        ref={chooser}
        type="file"
        multiple
        accept={pictureTypes}
        aria-label="Choose images"
        className="sr-only"
        tabIndex={-1}
        onChange={(event) => {
          onFiles([...(event.target.files ?? [])])
          event.target.value = ''
        }}
      />
    </section>
  )
}

/** An image before it is sent; one of another server is named, since to load it would tell who looks. */
const PictureChip = ({ picture: { name, url }, onRemove }: { picture: Picture; onRemove: () => void }) => (
  <li className="flex max-w-full items-center gap-1 rounded-m border border-line py-0.5 pr-0.5 pl-1.5">
    {url.startsWith('data:image/') && <img src={url} alt="" className="size-8 rounded-s object-cover" />}
    <span className="max-w-40 truncate text-12">{url.startsWith('data:') ? name : url}</span>
    <IconButton icon="cross" label={`Remove ${name}`} onClick={onRemove} />
  </li>
)
