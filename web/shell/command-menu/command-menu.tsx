import { type KeyboardEvent, useId, useLayoutEffect, useRef, useState } from 'react'
import { errorText } from '../../parts/problem.tsx'
import { Icon } from '../../ui/icon.tsx'
import { keysText } from '../../ui/keys.ts'
import { useCommands } from './commands.ts'
import { rankedCommands } from './rank.ts'

/** A list of everything one can go to or do, found by a few letters. */
export const CommandMenu = ({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) => {
  const box = useRef<HTMLDialogElement>(null)
  const list = useRef<HTMLDivElement>(null)
  const id = useId()
  const [typed, setTyped] = useState('')
  const [at, setAt] = useState(0)
  const { all, isSearching, error } = useCommands(typed, onHelp)
  const found = rankedCommands(all, typed)
  const chosen = Math.min(at, found.length - 1)

  useLayoutEffect(() => {
    const node = box.current
    if (!node?.open) node?.showModal()
    return () => node?.close()
  }, [])
  useLayoutEffect(() => {
    list.current?.children[chosen]?.scrollIntoView({ block: 'nearest' })
  }, [chosen])

  const run = (index: number) => {
    const command = found[index]
    if (!command) return
    onClose()
    command.run()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step !== undefined) setAt((chosen + step + found.length) % Math.max(1, found.length))
    else if (event.key === 'Enter') run(chosen)
    else return
    event.preventDefault()
  }
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click on the backdrop has the key Escape beside it
    <dialog
      ref={box}
      aria-label="Commands"
      onClose={onClose}
      onClick={(event) => event.target === box.current && onClose()}
      className="mx-auto mt-[12dvh] w-[calc(100vw-2rem)] max-w-140 overflow-hidden p-0"
    >
      <div className="flex items-center gap-2 border-line border-b px-3">
        <Icon name="search" className="text-faint" />
        <input
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls={`${id}-list`}
          aria-activedescendant={found.length > 0 ? `${id}-${chosen}` : undefined}
          aria-label="Search commands, tasks, runs, datasets and collections"
          placeholder="Go to a task, run or dataset, or do something"
          spellCheck={false}
          autoComplete="off"
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value)
            setAt(0)
          }}
          onKeyDown={onKeyDown}
          className="h-11 min-w-0 flex-1 bg-transparent outline-none placeholder:text-faint"
        />
      </div>
      <div
        ref={list}
        id={`${id}-list`}
        role="listbox"
        aria-label="Commands"
        className="max-h-[50dvh] overflow-auto p-1"
      >
        {found.map((command, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keys
          <div
            key={command.id}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            onClick={() => run(index)}
            onPointerMove={() => setAt(index)}
            className={`flex items-center gap-3 rounded-s px-2 py-1.5 ${index === chosen ? 'bg-selection' : ''}`}
          >
            <span className="w-20 shrink-0 text-12 text-faint">{command.kind}</span>
            <span className="min-w-0 flex-1 truncate">{command.text}</span>
            {command.keys && <kbd className="font-sans text-11 text-faint">{keysText(command.keys)}</kbd>}
          </div>
        ))}
      </div>
      {found.length === 0 && (
        <p role="status" className="px-3 pb-4 text-muted">
          {isSearching
            ? 'Searching…'
            : error
              ? `The server cannot be searched: ${errorText(error)}`
              : 'Nothing fits. Try fewer letters.'}
        </p>
      )}
    </dialog>
  )
}
