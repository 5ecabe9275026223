import { type DragEvent, type KeyboardEvent, useState } from 'react'
import { Problem } from '../../parts/problem.tsx'
import { useKeys } from '../../ui/keys.ts'
import { Composer } from './composer.tsx'
import { isAnswering as answers } from './draft/draft.ts'
import { readPictures } from './draft/read-pictures.ts'
import { PlaygroundHeader } from './header.tsx'
import { ChosenModels } from './models/chosen-models.tsx'
import { NoticeBar } from './notice-bar.tsx'
import { PlaygroundTalk } from './playground-talk.tsx'
import { CodeDialog } from './request/code-dialog.tsx'
import { SettingsPanel } from './request/settings-panel.tsx'
import type { PlaygroundSearch } from './search.ts'
import { usePlayground } from './use-playground.ts'

interface PlaygroundProps {
  collection: string
  names: readonly string[]
  search: PlaygroundSearch
  onSearch: (next: PlaygroundSearch) => void
}

/** Settings at the left, the conversation at the right, the next question below it. */
export const Playground = ({ collection, names, search, onSearch }: PlaygroundProps) => {
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
