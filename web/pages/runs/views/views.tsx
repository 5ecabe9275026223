import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, memo, useState } from 'react'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { parseSearch, searchText } from '../../../data/search-text.ts'
import { useAuthor, useMayWrite } from '../../../data/whoami.ts'
import { filterSearch, noFilters, type RunFilters, readFilters } from '../../../parts/filters/run-filters.ts'
import { errorText } from '../../../parts/problem.tsx'
import { personText } from '../../../parts/status-of-run.ts'
import { Button, buttonClass } from '../../../ui/button.tsx'
import { TextField } from '../../../ui/field.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { Menu } from '../../../ui/menu.tsx'
import { Popover } from '../../../ui/popover.tsx'
import { Tabs } from '../../../ui/tabs.tsx'
import { showToast } from '../../../ui/toast.tsx'

interface SavedView {
  name: string
  filters: RunFilters
  author: string
}

/** The text of filters as views keep them. */
const queryOf = (filters: RunFilters): string => searchText(filterSearch(filters)).slice(1)

/** Whether two lists are limited alike. */
const isSameList = (one: RunFilters, other: RunFilters): boolean => queryOf(one) === queryOf(other)

/** The views of this list that somebody has saved, and how they are saved and deleted. */
const useSavedViews = (collection: string, task: string | undefined) => {
  const client = useQueryClient()
  const queryKey = keys.views(collection)
  const list = useQuery({
    queryKey,
    queryFn: ({ signal }) => api.listViews({ params: { collection }, signal }),
    staleTime: 60_000,
  })
  const settled = {
    onSettled: () => client.invalidateQueries({ queryKey }),
    onError: (error: unknown) => showToast({ text: errorText(error), isBad: true }),
  }
  const save = useMutation({
    mutationFn: ({ name, filters }: { name: string; filters: RunFilters }) =>
      api.saveView({ params: { collection, name }, body: { task: task ?? null, query: queryOf(filters) } }),
    ...settled,
  })
  const remove = useMutation({
    mutationFn: (name: string) => api.deleteView({ params: { collection, name } }),
    ...settled,
  })
  const views = (list.data?.views ?? [])
    .filter((view) => view.task === (task ?? null))
    .map(({ name, query, author }): SavedView => ({ name, author, filters: readFilters(parseSearch(query)) }))
  return { views, save: save.mutate, remove: remove.mutate }
}

interface ViewsProps {
  collection: string
  task: string | undefined
  filters: RunFilters
  onChange: (filters: RunFilters) => void
}

const builtIn: { name: string; text: string; filters: RunFilters }[] = [
  { name: '', text: 'All', filters: noFilters },
  { name: 'running', text: 'Running', filters: { ...noFilters, status: ['running', 'pending'] } },
  { name: 'waiting', text: 'Waiting', filters: { ...noFilters, waiting_for: ['approval', 'event'] } },
  { name: 'failed', text: 'Failed', filters: { ...noFilters, status: ['failed'] } },
]

/** Lists that somebody asks for again and again, as tabs; the filters of now can become another one. */
export const Views = memo(({ collection, task, filters, onChange }: ViewsProps) => {
  const { views, save, remove } = useSavedViews(collection, task)
  const mayWrite = useMayWrite()
  const author = useAuthor()
  const mine = author === undefined ? [] : [{ name: 'mine', text: 'Mine', filters: { ...noFilters, author: [author] } }]
  const saved = views.map((view) => ({ ...view, text: view.name, name: `saved ${view.name}` }))
  const all = [...builtIn, ...mine, ...saved]
  const current = all.find((view) => isSameList(view.filters, filters))
  const currentSaved = saved.find((view) => view === current)
  return (
    <div className="flex shrink-0 items-center border-line border-b px-4">
      <Tabs
        label="Views"
        tabs={all.map(({ name, text }) => ({ name, text }))}
        current={current?.name ?? 'none'}
        onSelect={(name) => onChange(all.find((view) => view.name === name)?.filters ?? noFilters)}
        className="min-w-0"
      />
      {mayWrite && currentSaved && (
        <Menu
          label={`View ${currentSaved.text}`}
          className={`${buttonClass('quiet', true)} ml-1`}
          button={<Icon name="dots" />}
          head={`Saved by ${personText(currentSaved.author)}`}
          items={[
            {
              text: 'Delete this view',
              icon: 'bin',
              isBad: true,
              onSelect: () => {
                onChange(noFilters)
                remove(currentSaved.text)
              },
            },
          ]}
        />
      )}
      {mayWrite && !current && (
        <Popover
          className={`${buttonClass('quiet')} ml-2`}
          boxClass="w-64 p-3"
          button={
            <>
              <Icon name="bookmark" /> Save view
            </>
          }
        >
          {(close) => (
            <SaveView
              onSave={(name) => {
                save({ name, filters })
                close()
              }}
            />
          )}
        </Popover>
      )}
    </div>
  )
})

const SaveView = ({ onSave }: { onSave: (name: string) => void }) => {
  const [name, setName] = useState('')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (name.trim() !== '') onSave(name.trim())
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <TextField
        label="Name"
        autoFocus
        maxLength={100}
        value={name}
        placeholder="Not reviewed"
        hint="Everybody with a key for this collection sees it."
        onChange={(event) => setName(event.target.value)}
      />
      <Button type="submit" look="main" disabled={name.trim() === ''}>
        Save these filters
      </Button>
    </form>
  )
}
