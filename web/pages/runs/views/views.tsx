import { type FormEvent, memo, useState } from 'react'
import { useAuthor, useMayWrite } from '../../../data/whoami.ts'
import { noFilters, type RunFilters } from '../../../parts/filters/run-filters.ts'
import { personText } from '../../../parts/status-of-run.ts'
import { Button, buttonClass } from '../../../ui/button.tsx'
import { TextField } from '../../../ui/field.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { Menu } from '../../../ui/menu.tsx'
import { Popover } from '../../../ui/popover.tsx'
import { Tabs } from '../../../ui/tabs.tsx'
import { isSameList, useSavedViews } from './saved-views.ts'

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
