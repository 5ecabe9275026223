import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { Button, IconButton } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { showToast } from '../../ui/toast.tsx'
import { FormDialog } from '../form-dialog.tsx'
import { errorText } from '../problem.tsx'

interface VersionTagsProps {
  place: { collection: string; task: string }
  index: number
  tags: readonly string[]
  /** The tag that the version was saved with, which stays. */
  saved: string | undefined
  mayWrite: boolean
}

/** The tags of a version of a task: names that runs, batches and routines find it by, and that may move. */
export const VersionTags = ({ place, index, tags, saved, mayWrite }: VersionTagsProps) => {
  const queries = useQueryClient()
  const [isNew, setNew] = useState(false)
  const changed = () => queries.invalidateQueries({ queryKey: keys.task(place.collection, place.task) })
  const remove = useMutation({
    mutationFn: (tag: string) => api.deleteTaskTag({ params: { ...place, tag } }),
    onSuccess: changed,
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  return (
    <div className="flex flex-wrap items-center gap-2">
      {tags.map((tag) => (
        <span key={tag} className="inline-flex items-center gap-1 rounded-m bg-sunk px-2 font-mono text-12">
          {tag}
          {mayWrite && tag !== saved && (
            <IconButton
              icon="cross"
              label={`Remove the tag ${tag}`}
              disabled={remove.isPending}
              onClick={() => remove.mutate(tag)}
            />
          )}
        </span>
      ))}
      <Button look="quiet" icon="plus" disabled={!mayWrite} onClick={() => setNew(true)}>
        Tag
      </Button>
      {isNew && <NewTag place={place} index={index} onDone={changed} onClose={() => setNew(false)} />}
    </div>
  )
}

interface NewTagProps extends Pick<VersionTagsProps, 'place' | 'index'> {
  /** What is proposed. */
  initial?: string
  onDone: () => unknown
  onClose: () => void
}

/** Gives a version a tag, which then no other version of the task has. */
export const NewTag = ({ place, index, initial = '', onDone, onClose }: NewTagProps) => {
  const [tag, setTag] = useState(initial)
  return (
    <FormDialog
      title={`Tag version ${index}`}
      action="Set"
      isReady={tag.trim() !== ''}
      work={() => api.setTaskTag({ params: { ...place, tag: tag.trim() }, body: { version: `~${index}` } })}
      onDone={onDone}
      onClose={onClose}
    >
      <TextField
        label="Tag"
        isCode
        value={tag}
        placeholder="production"
        hint="A tag that another version has moves to this one"
        onChange={(event) => setTag(event.target.value)}
      />
    </FormDialog>
  )
}
