import { Button } from '../../ui/button.tsx'
import { SelectField } from '../../ui/field.tsx'

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
export const PlaygroundHeader = (props: PlaygroundHeaderProps) => {
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
