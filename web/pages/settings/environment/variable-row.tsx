import type { ShownVariables } from '../../../../src/model/collections/environment.ts'
import { useNow } from '../../../data/clock.ts'
import { PageLink } from '../../../parts/page-link.tsx'
import { agoText } from '../../../text/ago.ts'
import { momentText } from '../../../text/moment.ts'
import { Button } from '../../../ui/button.tsx'

interface VariableRowProps {
  of: ShownVariables['variables'][number]
  collection: string
  mayWrite: boolean
  onReplace: () => void
  onDelete: () => void
}

const shownTasks = 3

/** One variable: its name, who set it, and the tasks that read it. */
export const VariableRow = ({ of, collection, mayWrite, onReplace, onDelete }: VariableRowProps) => {
  const now = useNow()
  const { name, set_at: setAt, set_by: setBy, tasks } = of
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2.5">
      <div className="min-w-60 flex-1">
        <p className="truncate font-mono text-12">{name}</p>
        <p className="text-12 text-muted" title={momentText(setAt)}>
          {setAt === null ? 'Set before the server noted by whom' : `Set ${agoText(setAt, now)} by ${setBy}`}
          {tasks.slice(0, shownTasks).map((task, index) => (
            <span key={task}>
              {index === 0 ? ' · read by ' : ', '}
              <PageLink
                href={`/${encodeURIComponent(collection)}/${encodeURIComponent(task)}?tab=definition`}
                className="text-accent underline"
              >
                {task}
              </PageLink>
            </span>
          ))}
          {tasks.length > shownTasks && ` and ${tasks.length - shownTasks} more`}
        </p>
      </div>
      <div className="flex gap-2">
        <Button disabled={!mayWrite} aria-label={`Replace ${name}`} onClick={onReplace}>
          Replace
        </Button>
        <Button look="quiet" icon="bin" disabled={!mayWrite} aria-label={`Delete ${name}`} onClick={onDelete}>
          Delete
        </Button>
      </div>
    </li>
  )
}
