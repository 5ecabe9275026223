import { type KeyboardEvent, useEffect, useId, useLayoutEffect, useRef, useState } from 'react'
import type { RoutableModelEntry } from '../../../../src/model/gateway/routable-model.ts'
import { environmentHref, PageLink } from '../../../parts/page-link.tsx'
import { buttonClass } from '../../../ui/button.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { Popover } from '../../../ui/popover.tsx'
import { modelFacts, modelsWith, mostShown } from './model-list.ts'

interface ModelPickerProps {
  label: string
  model: string | undefined
  models: readonly RoutableModelEntry[] | undefined
  collection: string
  onPick: (model: string) => void
}

/** A button with the model that is asked, and a list of all that can be. */
export const ModelPicker = ({ label, model, models, collection, onPick }: ModelPickerProps) => (
  <Popover
    label={`${label}: ${model ?? 'none'}`}
    button={
      <>
        <span className="min-w-0 flex-1 truncate text-left font-mono text-12">
          {model ?? (models ? 'Choose a model' : 'Loading models…')}
        </span>
        <Icon name="down" />
      </>
    }
    className={`${buttonClass('plain')} w-full min-w-0`}
    boxClass="w-120 p-0"
  >
    {(close) => (
      <ModelChoice
        label={label}
        models={models ?? []}
        collection={collection}
        onPick={(id) => {
          close()
          onPick(id)
        }}
      />
    )}
  </Popover>
)

interface ModelOption {
  id: string
  facts: string
}

/** The models that fit what was typed, and at last the text itself: a model may be newer than every list. */
const optionsFor = (models: readonly RoutableModelEntry[], typed: string): ModelOption[] => {
  const found = modelsWith(models, typed)
    .slice(0, mostShown)
    .map((model) => ({ id: model.id, facts: modelFacts(model) || model.owned_by }))
  const name = typed.trim()
  const isListed = name === '' || /\s/.test(name) || models.some(({ id }) => id === name)
  return isListed ? found : [...found, { id: name, facts: 'Ask for this name' }]
}

const ModelChoice = ({
  label,
  models,
  collection,
  onPick,
}: Pick<ModelPickerProps, 'label' | 'collection' | 'onPick'> & { models: readonly RoutableModelEntry[] }) => {
  const [typed, setTyped] = useState('')
  const [at, setAt] = useState(0)
  const list = useRef<HTMLDivElement>(null)
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  const id = useId()
  const options = optionsFor(models, typed)
  const chosen = Math.min(at, options.length - 1)
  const left = modelsWith(models, typed).length - mostShown
  useLayoutEffect(() => {
    list.current?.children[chosen]?.scrollIntoView({ block: 'nearest' })
  }, [chosen])
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    const option = options[chosen]
    if (step !== undefined) setAt((chosen + step + options.length) % Math.max(1, options.length))
    else if (event.key === 'Enter' && option) onPick(option.id)
    else return
    event.preventDefault()
  }
  return (
    <>
      <input
        ref={field}
        role="combobox"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={options.length > 0 ? `${id}-${chosen}` : undefined}
        aria-label={`Find a model: ${label}`}
        placeholder="Find a model, or type its name"
        spellCheck={false}
        autoComplete="off"
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value)
          setAt(0)
        }}
        onKeyDown={onKeyDown}
        className="sticky top-0 h-10 w-full border-line border-b bg-raised px-3 outline-none placeholder:text-faint"
      />
      <div ref={list} id={`${id}-list`} role="listbox" aria-label="Models" className="p-1">
        {options.map((option, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keys
          <div
            key={option.id}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            onClick={() => onPick(option.id)}
            onPointerMove={() => setAt(index)}
            className={`rounded-s px-2 py-1 ${index === chosen ? 'bg-selection' : ''}`}
          >
            <span className="block truncate font-mono text-12">{option.id}</span>
            <span className="block truncate text-12 text-muted">{option.facts}</span>
          </div>
        ))}
      </div>
      <p className="border-line border-t px-3 py-2 text-12 text-muted">
        {options.length === 0 && 'No model fits. '}
        {left > 0 && `${left.toLocaleString('en-US')} more: type a part of the name. `}
        For models of another provider,{' '}
        <PageLink href={environmentHref(collection)} className="text-accent">
          set its key
        </PageLink>
        .
      </p>
    </>
  )
}
