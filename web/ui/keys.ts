import { useEffect, useEffectEvent, useSyncExternalStore } from 'react'

interface KeyBinding {
  /** Such as `j`, `shift+x`, `mod+k` (⌘ or Ctrl), `enter`, `space`, `esc`, or a sequence: `g c`. */
  keys: string
  /** What it does, for the list of keys. */
  does: string
  run: () => void
  /** Left out of the list of keys. */
  isHidden?: boolean
}

interface KeyGroup {
  name: string
  bindings: KeyBinding[]
}

type Pressed = Pick<KeyboardEvent, 'key' | 'shiftKey' | 'ctrlKey' | 'metaKey' | 'altKey'>

const names: Record<string, string> = { Escape: 'esc', ' ': 'space', ArrowUp: 'up', ArrowDown: 'down' }

/** Writes a key as bindings do; undefined for a modifier alone, and for keys with Alt. */
export const keyName = ({ key, shiftKey, ctrlKey, metaKey, altKey }: Pressed): string | undefined => {
  if (['Shift', 'Control', 'Meta', 'Alt'].includes(key) || altKey) return undefined
  const name = names[key] ?? key.toLowerCase()
  const isShifted = shiftKey && (name.length > 1 || /\p{L}/u.test(name)) // `?` needs Shift on most keyboards anyway
  return `${ctrlKey || metaKey ? 'mod+' : ''}${isShifted ? 'shift+' : ''}${name}`
}

const sequenceMs = 900
const groups: KeyGroup[] = []
const listeners = new Set<() => void>()
let shown: readonly KeyGroup[] = []
let hasSingleKeys = true
let begun = { key: '', at: 0 }

/** Switches keys without ⌘ or Ctrl on or off, for people whose software types for them. */
export const setSingleKeys = (isOn: boolean): void => {
  hasSingleKeys = isOn
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable ||
    target.matches('textarea, select, input:not([type=checkbox], [type=radio], [type=button])'))

/** Buttons and links use these keys themselves. */
const isPressing = (target: EventTarget | null, name: string): boolean =>
  (name === 'enter' || name === 'space') &&
  target instanceof HTMLElement &&
  target.closest('button, a, summary, input, [role=tab], [role=menuitem]') !== null

const find = (name: string): KeyBinding | undefined => {
  for (const { bindings } of [...groups].reverse()) {
    const found = bindings.find(({ keys }) => keys === name)
    if (found) return found
  }
  return undefined
}

const onKeyDown = (event: KeyboardEvent): void => {
  const name = keyName(event)
  if (name === undefined || event.defaultPrevented || event.isComposing) return
  const isSingle = !name.startsWith('mod+')
  if (isSingle && (!hasSingleKeys || isTyping(event.target) || isPressing(event.target, name))) return
  if (isSingle && document.querySelector('dialog[open], :popover-open:not([popover=manual])')) return
  const sequence = event.timeStamp - begun.at < sequenceMs ? `${begun.key} ${name}` : name
  const found = find(sequence) ?? find(name)
  begun = { key: found ? '' : name, at: event.timeStamp }
  if (!found) return
  event.preventDefault()
  found.run()
}

const changed = (): void => {
  const byName = new Map<string, KeyBinding[]>()
  for (const { name, bindings } of groups) {
    const listed = bindings.filter(({ isHidden }) => !isHidden)
    byName.set(name, [...(byName.get(name) ?? []), ...listed])
  }
  shown = [...byName].map(([name, bindings]) => ({ name, bindings }))
  for (const tell of listeners) tell()
}

/** Binds keys while a component is there; those of the last component win. */
export const useKeys = (name: string, bindings: KeyBinding[]): void => {
  const run = useEffectEvent((keys: string) => bindings.find((one) => one.keys === keys)?.run())
  const signature = bindings.map(({ keys, does }) => `${keys}\t${does}`).join('\n')
  // biome-ignore lint/correctness/useExhaustiveDependencies: the signature stands for the bindings, which are new at each render
  useEffect(() => {
    const group = { name, bindings: bindings.map((one) => ({ ...one, run: () => run(one.keys) })) }
    if (groups.length === 0) document.addEventListener('keydown', onKeyDown)
    groups.push(group)
    changed()
    return () => {
      groups.splice(groups.indexOf(group), 1)
      if (groups.length === 0) document.removeEventListener('keydown', onKeyDown)
      changed()
    }
  }, [name, signature])
}

const watch = (tell: () => void): (() => void) => {
  listeners.add(tell)
  return () => listeners.delete(tell)
}

/** The keys that work on this page, for the list of keys. */
export const useKeyGroups = (): readonly KeyGroup[] => useSyncExternalStore(watch, () => shown)

const isMac = typeof navigator !== 'undefined' && /Mac|iP(hone|ad)/.test(navigator.userAgent)

/** Writes keys for people: `⌘K` or `Ctrl K`, `⇧ X`, `g c`. */
export const keysText = (keys: string): string =>
  keys
    .replace('mod+', isMac ? '⌘' : 'Ctrl ')
    .replace('shift+', '⇧')
    .replace(
      /\b(enter|space|esc|up|down)\b/,
      (name) => ({ enter: '↵', space: 'Space', esc: 'Esc', up: '↑', down: '↓' })[name] ?? name,
    )
    .replace(/^(⌘|Ctrl |⇧)(\p{L})$/u, (_, modifier: string, letter: string) => modifier + letter.toUpperCase())
