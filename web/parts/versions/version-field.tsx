import { useQuery } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { TextField } from '../../ui/field.tsx'

interface VersionFieldProps {
  place: { collection: string; task: string }
  value: string
  onChange: (ref: string) => void
  hint?: string
}

/** Versions that are suggested; any other may be typed. */
const mostSuggested = 100

/** The version of a task that is started: a tag or an index, suggested from its history; empty: the newest one. */
export const VersionField = ({ place, value, onChange, hint }: VersionFieldProps) => {
  const list = useId()
  const [isWanted, setWanted] = useState(false)
  const { data } = useQuery({
    queryKey: [...keys.task(place.collection, place.task), 'suggested-versions'],
    queryFn: ({ signal }) => api.listTaskVersions({ params: place, query: { limit: mostSuggested }, signal }),
    enabled: isWanted,
  })
  const versions = data?.versions ?? []
  return (
    <>
      <TextField
        label="Version"
        isCode
        value={value}
        placeholder="the newest"
        hint={hint ?? 'A tag, such as production, or a number of the history'}
        list={list}
        onFocus={() => setWanted(true)}
        onChange={(event) => onChange(event.target.value)}
      />
      <datalist id={list}>
        {versions.flatMap(({ index, tags }) => tags.map((tag) => <option key={tag} value={tag} label={`v${index}`} />))}
        {versions.map(({ index, note }) => (
          <option key={index} value={String(index)} label={note ?? `v${index}`} />
        ))}
      </datalist>
    </>
  )
}

/** The member of a request that names a version, if one was entered. */
export const enteredVersion = (value: string): { version?: string } =>
  value.trim() === '' ? {} : { version: value.trim() }
