import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { errorText } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { TextField } from '../../../ui/field.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { showToast } from '../../../ui/toast.tsx'

interface VersionTagsProps {
  collection: string
  dataset: string
  index: number
  tags: readonly string[]
  /** The tag that the version was saved with; it stays. */
  saved: unknown
}

/** The names of a version. Runs and exports find it by them; a name that another version has moves here. */
export const VersionTags = ({ collection, dataset, index, tags, saved }: VersionTagsProps) => {
  const queries = useQueryClient()
  const mayWrite = useMayWrite()
  const [name, setName] = useState('')
  const change = useMutation({
    mutationFn: async ({ tag, isGone }: { tag: string; isGone: boolean }) => {
      const params = { collection, dataset, tag }
      if (isGone) await api.deleteDatasetTag({ params })
      else await api.setDatasetTag({ params, body: { version: `~${index}` } })
    },
    onSuccess: (_, { tag }) => {
      setName((was) => (was.trim() === tag ? '' : was))
      return queries.invalidateQueries({ queryKey: keys.dataset(collection, dataset) })
    },
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    if (name.trim() !== '') change.mutate({ tag: name.trim(), isGone: false })
  }
  if (tags.length === 0 && !mayWrite) return null
  return (
    <div className="flex flex-wrap items-center gap-2">
      {tags.map((tag) => (
        <span key={tag} className="inline-flex h-7 items-center gap-1 rounded-s border border-line px-2 text-12">
          <span className="max-w-40 truncate">{tag}</span>
          {mayWrite && tag !== saved && (
            <button
              type="button"
              aria-label={`Remove the tag ${tag}`}
              className="text-muted hover:text-text"
              onClick={() => change.mutate({ tag, isGone: true })}
            >
              <Icon name="cross" className="size-3" />
            </button>
          )}
        </span>
      ))}
      {mayWrite && (
        <form onSubmit={onSubmit} className="flex items-center gap-1">
          <TextField
            label="New tag"
            hidesLabel
            placeholder="gold"
            className="w-28"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <Button type="submit" icon="label" disabled={name.trim() === '' || change.isPending}>
            Tag
          </Button>
        </form>
      )}
    </div>
  )
}
