import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { api } from '../../data/api.ts'
import { useNow } from '../../data/clock.ts'
import { keys } from '../../data/keys.ts'
import { useTitle } from '../../data/title.ts'
import { Problem } from '../../parts/problem.tsx'
import { agoText } from '../../text/ago.ts'
import { Empty } from '../../ui/empty.tsx'

/** All collections that the session covers. */
export const CollectionsPage = () => {
  const list = useQuery({ queryKey: keys.collections, queryFn: ({ signal }) => api.listCollections({ signal }) })
  const now = useNow()
  useTitle('Collections')
  return (
    <main className="min-h-0 flex-1 overflow-auto">
      <div className="mx-auto max-w-240 px-4 py-6">
        <h1 className="mb-4 font-semibold text-20">Collections</h1>
        {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
        {list.data?.length === 0 && (
          <Empty title="No collection yet" command="jetty collections create acme">
            A collection holds tasks, their runs and their secrets. This key covers none; create one, or ask for a key
            that covers yours.
          </Empty>
        )}
        <ul className="divide-y divide-line">
          {list.data?.map(({ id, name, description, created_at: created }) => (
            <li key={id}>
              <Link
                to="/$collection"
                params={{ collection: name }}
                className="flex items-baseline gap-4 px-2 py-2 hover:bg-sunk"
              >
                <span className="font-medium">{name}</span>
                <span className="min-w-0 flex-1 truncate text-muted">{description}</span>
                <span className="text-12 text-faint">{agoText(created, now)}</span>
              </Link>
            </li>
          ))}
        </ul>
      </div>
    </main>
  )
}
