import type { ShownVariables } from '../../../../src/model/collections/environment.ts'
import { Button } from '../../../ui/button.tsx'
import { Icon } from '../../../ui/icon.tsx'

interface MissingProps {
  missing: ShownVariables['missing']
  onSet: ((name: string) => void) | undefined
}

/** Variables that tasks read and nobody has set, by name. */
export const MissingVariables = ({ missing, onSet }: MissingProps) => {
  const names = [...new Set(missing.map(({ variable }) => variable))]
  if (names.length === 0) return null
  const tasksOf = (name: string) => missing.filter(({ variable }) => variable === name).map(({ task }) => task)
  return (
    <section aria-label="Variables that are missing" className="rounded-l border border-line p-3">
      <ul className="flex flex-col gap-2">
        {names.map((name) => (
          <li key={name} className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <Icon name="warning" className="text-wait" />
            <span className="font-mono text-12">{name}</span>
            <span className="min-w-40 flex-1 text-muted">
              is not set; {tasksOf(name).slice(0, 5).join(', ')} read it
            </span>
            <Button disabled={!onSet} onClick={() => onSet?.(name)}>
              Set {name}
            </Button>
          </li>
        ))}
      </ul>
    </section>
  )
}
