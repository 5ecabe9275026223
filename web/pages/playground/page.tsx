import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type ClipboardEvent, type DragEvent, type KeyboardEvent, useRef, useState } from 'react'
import type { RoutableModelEntry } from '../../../src/model/gateway/routable-model.ts'
import { api } from '../../data/api.ts'
import { useTitle } from '../../data/browser.ts'
import { keys } from '../../data/keys.ts'
import { readStored, writeStored } from '../../data/stored.ts'
import { useWhoami } from '../../data/whoami.ts'
import { Problem } from '../../parts/problem.tsx'
import { Button, IconButton } from '../../ui/button.tsx'
import { CopyButton } from '../../ui/copy.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Empty } from '../../ui/empty.tsx'
import { SelectField, TextArea } from '../../ui/field.tsx'
import { keysText, useKeys } from '../../ui/keys.ts'
import { Tabs } from '../../ui/tabs.tsx'
import { isAnswering as answers, type PlaygroundDraft } from './draft/draft.ts'
import { mostPictures, type Picture, pictureTypes } from './draft/pictures.ts'
import { readPictures } from './draft/read-pictures.ts'
import { modelFacts } from './models/model-list.ts'
import { ModelPicker } from './models/model-picker.tsx'
import { NoticeBar } from './notice-bar.tsx'
import { PlaygroundTalk } from './playground-talk.tsx'
import {
  type CodeCall,
  type CodeLanguage,
  codeFor,
  codeLanguages,
  hasImages,
  imagePlaceholder,
} from './request/code.ts'
import { SettingsPanel } from './request/settings-panel.tsx'
import { mostModels, type PlaygroundSearch, playgroundSearch } from './search.ts'
import { usePlayground } from './use-playground.ts'

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
const Composer = ({ draft, isAnswering, obstacle, onChange, onFiles, onSend, onStop }: ComposerProps) => {
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

interface ChosenModelsProps {
  models: readonly string[]
  details: readonly RoutableModelEntry[] | undefined
  collection: string
  onChange: (models: string[]) => void
}

const names = ['Model', 'Second model'] as const

/** The models that answer; a second one answers the same beside the first. */
const ChosenModels = ({ models, details, collection, onChange }: ChosenModelsProps) => {
  const [first] = models
  return (
    <div className="flex flex-col gap-2">
      {(first === undefined ? [undefined] : models).map((model, at) => {
        const known = details?.find(({ id }) => id === model)
        const name = names[at] ?? 'Model'
        return (
          <div key={name}>
            <p className="mb-1 font-medium text-12 text-muted">{name}</p>
            <div className="flex gap-1">
              <div className="min-w-0 flex-1">
                <ModelPicker
                  label={name}
                  model={model}
                  models={details}
                  collection={collection}
                  onPick={(picked) => onChange(models.length === 0 ? [picked] : models.with(at, picked))}
                />
              </div>
              {models.length > 1 && (
                <IconButton
                  icon="cross"
                  label={`Remove ${model}`}
                  onClick={() => onChange(models.filter((_, other) => other !== at))}
                />
              )}
            </div>
            {known && <p className="mt-1 text-12 text-muted">{modelFacts(known) || known.owned_by}</p>}
            {details && model !== undefined && !known && (
              <p className="mt-1 text-12 text-muted">
                Not among the models that the keys of {collection} are known to reach
              </p>
            )}
          </div>
        )
      })}
      {first !== undefined && models.length < mostModels && (
        <Button icon="plus" look="quiet" className="self-start" onClick={() => onChange([...models, first])}>
          Second model
        </Button>
      )}
    </div>
  )
}

interface PlaygroundHeaderProps {
  collection: string
  names: readonly string[]
  isSettingsOpen: boolean
  /** There is no conversation to clear. */
  isEmpty: boolean
  onCollection: (name: string) => void
  onSettings: () => void
  onCode: () => void
  onNew: () => void
}

/** Whose keys are used, and what can be done with the whole conversation. */
const PlaygroundHeader = (props: PlaygroundHeaderProps) => {
  const { collection, names, isSettingsOpen, isEmpty } = props
  const options = names.includes(collection) ? names : [collection, ...names]
  return (
    <header className="flex flex-wrap items-center gap-2 border-line border-b px-4 py-2">
      <h1 className="sr-only">Playground</h1>
      <SelectField
        label="Collection"
        hidesLabel
        title="Collection whose keys are used, and that keeps the record"
        className="max-w-48"
        options={options.map((name) => [name, name] as const)}
        value={collection}
        onChange={(event) => props.onCollection(event.target.value)}
      />
      <span className="flex-1" />
      <Button className="md:hidden" aria-expanded={isSettingsOpen} onClick={props.onSettings}>
        Settings
      </Button>
      <Button icon="copy" onClick={props.onCode}>
        Code
      </Button>
      <Button disabled={isEmpty} onClick={props.onNew} aria-label="New conversation">
        New<span className="max-sm:hidden"> conversation</span>
      </Button>
    </header>
  )
}

/** The call as a program, to be copied. The page has no key that could be in it. */
const CodeDialog = ({ call, onClose }: { call: CodeCall; onClose: () => void }) => {
  const [language, setLanguage] = useState<CodeLanguage>('curl')
  const code = codeFor(language, call)
  return (
    <Dialog title="This call as code" isOpen onClose={onClose} width="wide">
      <Tabs
        label="Language"
        tabs={codeLanguages.map((name) => ({ name, text: name }))}
        current={language}
        onSelect={setLanguage}
        className="border-line border-b"
      />
      <div role="tabpanel" aria-label={language} className="relative mt-3 rounded-m border border-line bg-sunk">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the keys scroll it */}
        <pre tabIndex={0} className="max-h-[50dvh] overflow-auto p-3 pr-10 font-mono text-12">
          {code}
        </pre>
        <span className="absolute top-1 right-1">
          <CopyButton text={code} label={`Copy as ${language}`} />
        </span>
      </div>
      <p className="mt-3 text-muted">
        It reads your key from the variable <code className="font-mono text-12">JETTY_API_TOKEN</code>.
        {hasImages(call.body) && ` Put the bytes of the image where ${imagePlaceholder} stands.`}
      </p>
    </Dialog>
  )
}

interface PlaygroundProps {
  collection: string
  names: readonly string[]
  search: PlaygroundSearch
  onSearch: (next: PlaygroundSearch) => void
}

/** Settings at the left, the conversation at the right, the next question below it. */
const Playground = ({ collection, names, search, onSearch }: PlaygroundProps) => {
  const { draft, dispatch, replace, opened, models, details, faults, obstacle, isLoading, error, ...page } =
    usePlayground(collection, search, onSearch)
  const [isSettingsOpen, setSettingsOpen] = useState(false)
  const [isCodeOpen, setCodeOpen] = useState(false)
  const isAnswering = answers(draft)
  const canSend = obstacle === undefined && !isAnswering && !isCodeOpen
  useKeys('Playground', [
    { keys: 'mod+enter', does: 'Send', run: () => canSend && page.send() },
    { keys: 'esc', does: 'Stop the answers', run: page.stop },
  ])
  // Single keys are off in fields, where people stand after they have asked.
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !isAnswering || event.defaultPrevented) return
    event.preventDefault()
    page.stop()
  }
  const addFiles = async (files: readonly File[]) => {
    const { pictures, faults: refused } = await readPictures(files)
    page.setNotice(refused.length > 0 ? { text: refused.join('\n'), isBad: true } : undefined)
    dispatch({ kind: 'show', pictures })
  }
  const onDrop = (event: DragEvent) => {
    if (event.dataTransfer.files.length === 0) return
    event.preventDefault()
    void addFiles([...event.dataTransfer.files])
  }
  const model = models[0]
  return (
    <main
      className="flex min-h-0 flex-1 flex-col"
      onKeyDown={onKeyDown}
      onDrop={onDrop}
      onDragOver={(event) => event.dataTransfer.types.includes('Files') && event.preventDefault()}
    >
      <PlaygroundHeader
        collection={collection}
        names={names}
        isSettingsOpen={isSettingsOpen}
        isEmpty={draft.turns.length === 0 && draft.earlier.length === 0}
        onCollection={(name) => onSearch({ collection: name })}
        onSettings={() => setSettingsOpen(!isSettingsOpen)}
        onCode={() => setCodeOpen(true)}
        onNew={() => replace({ ...draft, earlier: [], turns: [] }, 'The conversation was cleared')}
      />
      {error && <Problem error={error} />}
      <div className="flex min-h-0 flex-1 max-md:flex-col">
        <section
          aria-label="Settings"
          className={`w-80 shrink-0 overflow-auto border-line border-r max-md:max-h-[60dvh] max-md:w-full max-md:border-b ${isSettingsOpen ? '' : 'max-md:hidden'}`}
        >
          <SettingsPanel
            draft={draft}
            faults={faults}
            opened={opened}
            onChange={(part) => dispatch({ kind: 'set', part })}
          >
            <ChosenModels
              models={models}
              details={details}
              collection={collection}
              onChange={(next) => onSearch({ collection, model: next })}
            />
          </SettingsPanel>
        </section>
        <div className="flex min-h-0 min-w-0 flex-1 flex-col" aria-busy={isLoading}>
          <PlaygroundTalk
            draft={draft}
            collection={collection}
            isAnswering={isAnswering}
            onEdit={(turn) => dispatch({ kind: 'edit', turn })}
            onAgain={page.again}
          />
          {page.notice && <NoticeBar notice={page.notice} onClose={() => page.setNotice(undefined)} />}
          <Composer
            draft={draft}
            isAnswering={isAnswering}
            obstacle={obstacle}
            onChange={(part) => dispatch({ kind: 'set', part })}
            onFiles={(files) => void addFiles(files)}
            onSend={page.send}
            onStop={page.stop}
          />
        </div>
      </div>
      {isCodeOpen && model !== undefined && (
        <CodeDialog
          call={{ url: location.origin, collection, body: page.bodyNow() }}
          onClose={() => setCodeOpen(false)}
        />
      )}
    </main>
  )
}

const storedName = 'playground-collection'

/** Remembers the collection for the next time. */
const rememberCollection = (name: string): void => writeStored(storedName, name)

/** The collections to choose from, and the one whose keys are used: the named one, the last one, or the home of the key. */
const usePlaygroundCollection = (named: string | undefined) => {
  const who = useWhoami()
  const list = useQuery({ queryKey: keys.collections, queryFn: ({ signal }) => api.listCollections({ signal }) })
  const names = list.data?.map(({ name }) => name)
  const last = readStored(storedName)
  const usual = [last, who?.home_collection ?? undefined].find((name) => name !== undefined && names?.includes(name))
  return { names, error: list.error, collection: named ?? usual ?? names?.[0] }
}

/** Asks models by hand, with the keys of a collection, on its record. */
export const PlaygroundPage = () => {
  const search = playgroundSearch(useSearch({ strict: false }) as Record<string, unknown>)
  const navigate = useNavigate()
  const { collection, names, error } = usePlaygroundCollection(search.collection)
  useTitle('Playground', collection)
  const set = (next: PlaygroundSearch) => {
    if (next.collection !== undefined) rememberCollection(next.collection)
    void navigate({ to: '/-/playground', search: next, replace: true })
  }
  if (error && !names) return <Problem error={error} />
  if (collection !== undefined) {
    return <Playground collection={collection} names={names ?? [collection]} search={search} onSearch={set} />
  }
  if (!names) return <main aria-busy className="p-4 text-muted" />
  return (
    <main>
      <h1 className="sr-only">Playground</h1>
      <Empty title="No collection yet" command="jetty collections create acme">
        Models are asked with the keys of a collection. This key covers none; create one, or ask for a key that covers
        yours.
      </Empty>
    </main>
  )
}
