import { useEffect, useRef, useState } from 'react'
import { Icon } from '../ui/icon.tsx'
import { useKeys } from '../ui/keys.ts'

const waitMs = 300

interface SearchFieldProps {
  label: string
  placeholder: string
  /** Heading of the shortcut in the list of shortcuts. */
  place: string
  text: string
  onChange: (text: string) => void
}

/** Searches while somebody types, a moment after the last letter. */
export const SearchField = ({ label, placeholder, place, text, onChange }: SearchFieldProps) => {
  const field = useRef<HTMLInputElement>(null)
  const [typed, setTyped] = useState(text)
  const [seen, setSeen] = useState(text)
  if (seen !== text) {
    setSeen(text)
    setTyped(text)
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: only typing starts a search
  useEffect(() => {
    if (typed === text) return
    const timer = setTimeout(() => onChange(typed), waitMs)
    return () => clearTimeout(timer)
  }, [typed])
  useKeys(place, [{ keys: '/', does: 'Search', run: () => field.current?.focus() }])
  return (
    <label className="flex h-7 w-64 min-w-0 items-center gap-1.5 rounded-m border border-line px-2 focus-within:border-accent max-md:w-full">
      <Icon name="search" className="text-faint" />
      <span className="sr-only">{label}</span>
      <input
        ref={field}
        type="search"
        value={typed}
        placeholder={placeholder}
        spellCheck={false}
        autoComplete="off"
        maxLength={200}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
        className="min-w-0 flex-1 bg-transparent outline-none placeholder:text-faint"
      />
      {typed === '' && <kbd className="font-sans text-11 text-faint max-md:hidden">/</kbd>}
    </label>
  )
}
