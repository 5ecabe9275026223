import { useNavigate, useSearch } from '@tanstack/react-router'
import { useTitle } from '../../data/title.ts'
import { Problem } from '../../parts/problem.tsx'
import { Empty } from '../../ui/empty.tsx'
import { Playground } from './playground.tsx'
import { type PlaygroundSearch, playgroundSearch } from './search.ts'
import { rememberCollection, usePlaygroundCollection } from './use-collection.ts'

/** Asks models by hand, with the keys of a collection, on its record. */
export const PlaygroundPage = () => {
  const search = playgroundSearch(useSearch({ strict: false }) as Record<string, unknown>)
  const navigate = useNavigate()
  const { collection, names, error } = usePlaygroundCollection(search.collection)
  useTitle('Playground', collection)
  const set = (next: PlaygroundSearch) => {
    if (next.collection !== undefined) rememberCollection(next.collection)
    void navigate({ to: '/-/playground', search: next, replace: true })
  }
  if (error && !names) return <Problem error={error} />
  if (collection !== undefined) {
    return <Playground collection={collection} names={names ?? [collection]} search={search} onSearch={set} />
  }
  if (!names) return <main aria-busy className="p-4 text-muted" />
  return (
    <main>
      <h1 className="sr-only">Playground</h1>
      <Empty title="No collection yet" command="jetty collections create acme">
        Models are asked with the keys of a collection. This key covers none; create one, or ask for a key that covers
        yours.
      </Empty>
    </main>
  )
}
