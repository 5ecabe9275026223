import { useQuery } from '@tanstack/react-query'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { readStored, writeStored } from '../../data/stored.ts'
import { useWhoami } from '../../data/whoami.ts'

const storedName = 'playground-collection'

/** Remembers the collection for the next time. */
export const rememberCollection = (name: string): void => writeStored(storedName, name)

/** The collections to choose from, and the one whose keys are used: the named one, the last one, or the home of the key. */
export const usePlaygroundCollection = (named: string | undefined) => {
  const who = useWhoami()
  const list = useQuery({ queryKey: keys.collections, queryFn: ({ signal }) => api.listCollections({ signal }) })
  const names = list.data?.map(({ name }) => name)
  const last = readStored(storedName)
  const usual = [last, who?.home_collection ?? undefined].find((name) => name !== undefined && names?.includes(name))
  return { names, error: list.error, collection: named ?? usual ?? names?.[0] }
}
