import { useNavigate, useSearch } from '@tanstack/react-router'
import { useTitle } from '../../../data/browser.ts'
import { HooksPanel } from '../../../parts/hooks/hooks-panel.tsx'
import type { TaskPlaceProps } from '../use-task.ts'

/** What of other services starts a task. */
const HooksTab = ({ collection, task }: TaskPlaceProps) => {
  useTitle('Hooks', task, collection)
  const navigate = useNavigate()
  const { hook: asked } = useSearch({ strict: false })
  const choose = (hook: string) =>
    void navigate({
      to: '/$collection/$task',
      params: { collection, task },
      search: { tab: 'hooks', hook },
      replace: true,
    })
  return (
    <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
      <div className="mx-auto flex max-w-240 flex-col gap-6 px-4 py-6">
        <HooksPanel collection={collection} task={task} asked={asked} onChoose={choose} />
      </div>
    </main>
  )
}

export default HooksTab
