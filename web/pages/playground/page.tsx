import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { readStored, writeStored } from '../../data/stored.ts'
import { useTitle } from '../../data/title.ts'
import { useWhoami } from '../../data/whoami.ts'
import { Problem } from '../../parts/problem.tsx'
import { Empty } from '../../ui/empty.tsx'
import { Playground } from './playground.tsx'
import { type PlaygroundSearch, playgroundSearch } from './search.ts'

const storedName = 'playground-collection'

/** Remembers the collection for the next time. */
const rememberCollection = (name: string): void => writeStored(storedName, name)

/** The collections to choose from, and the one whose keys are used: the named one, the last one, or the home of the key. */
const usePlaygroundCollection = (named: string | undefined) => {
  const who = useWhoami()
  const list = useQuery({ queryKey: keys.collections, queryFn: ({ signal }) => api.listCollections({ signal }) })
  const names = list.data?.map(({ name }) => name)
  const last = readStored(storedName)
  const usual = [last, who?.home_collection ?? undefined].find((name) => name !== undefined && names?.includes(name))
  return { names, error: list.error, collection: named ?? usual ?? names?.[0] }
}

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
