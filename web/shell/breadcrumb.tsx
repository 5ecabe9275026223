import { useQuery } from '@tanstack/react-query'
import { Link, useLocation, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { api } from '../data/api.ts'
import { keys } from '../data/keys.ts'
import { Problem } from '../parts/problem.tsx'
import { buttonClass } from '../ui/button.tsx'
import { TextField } from '../ui/field.tsx'
import { Icon } from '../ui/icon.tsx'
import { Popover } from '../ui/popover.tsx'

const linkClass = 'truncate rounded-s px-1 hover:bg-sunk'

/** Pages that belong to no collection, by how their address begins. */
const titles = [
  ['/-/approvals', 'Approvals'],
  ['/-/compare', 'Compare'],
  ['/-/playground', 'Playground'],
  ['/settings', 'Settings'],
] as const

/** Where this page stands: collection, task, run; each level leads to the others of its kind. */
export const Breadcrumb = () => {
  const { collection, task, id, dataset } = useParams({ strict: false }) as Partial<
    Record<'collection' | 'task' | 'id' | 'dataset', string>
  >
  const { pathname } = useLocation()
  if (collection === undefined) {
    const title = titles.find(([begin]) => pathname === begin || pathname.startsWith(`${begin}/`))?.[1]
    return title === undefined ? null : <span className="truncate px-1 font-semibold">{title}</span>
  }
  return (
    <nav aria-label="Where you are" className="flex min-w-0 items-center">
      <Link
        to="/$collection"
        params={{ collection }}
        className={`${linkClass} ${task || dataset ? 'text-muted max-sm:hidden' : 'font-semibold'}`}
      >
        {collection}
      </Link>
      {task === undefined && dataset === undefined && (
        <Popover
          label="Other collections"
          button={<Icon name="down" />}
          className={buttonClass('quiet', true)}
          boxClass="w-72 p-2"
        >
          {(close) => <Collections onPick={close} />}
        </Popover>
      )}
      {task !== undefined && (
        <>
          <span className="text-faint max-sm:hidden">/</span>
          <Link
            to="/$collection/$task"
            params={{ collection, task }}
            className={`${linkClass} ${id ? 'text-muted' : 'font-semibold'}`}
          >
            {task}
          </Link>
          <Popover
            label="Other tasks"
            button={<Icon name="down" />}
            className={buttonClass('quiet', true)}
            boxClass="w-72 p-2"
          >
            {(close) => <Tasks collection={collection} onPick={close} />}
          </Popover>
        </>
      )}
      {dataset !== undefined && (
        <>
          <span className="text-faint max-sm:hidden">/</span>
          <Link to="/$collection/-/datasets" params={{ collection }} className={`${linkClass} text-muted`}>
            Datasets
          </Link>
          <span className="text-faint">/</span>
          <span className="truncate px-1 font-semibold">{dataset}</span>
        </>
      )}
      {id !== undefined && (
        <>
          <span className="text-faint">/</span>
          <span className="truncate px-1 font-mono font-semibold text-12">{id}</span>
        </>
      )}
    </nav>
  )
}

const Collections = ({ onPick }: { onPick: () => void }) => {
  const list = useQuery({ queryKey: keys.collections, queryFn: ({ signal }) => api.listCollections({ signal }) })
  return (
    <Choice label="Find a collection" names={list.data?.map(({ name }) => name)} error={list.error}>
      {(name) => (
        <Link key={name} to="/$collection" params={{ collection: name }} onClick={onPick} className={choiceClass}>
          {name}
        </Link>
      )}
    </Choice>
  )
}

const Tasks = ({ collection, onPick }: { collection: string; onPick: () => void }) => {
  const list = useQuery({
    queryKey: [...keys.tasks(collection), 'summary'],
    queryFn: ({ signal }) => api.listTasks({ params: { collection }, query: { view: 'summary', limit: 500 }, signal }),
  })
  return (
    <Choice label="Find a task" names={list.data?.map(({ name }) => name)} error={list.error}>
      {(task) => (
        <Link key={task} to="/$collection/$task" params={{ collection, task }} onClick={onPick} className={choiceClass}>
          {task}
        </Link>
      )}
    </Choice>
  )
}

const choiceClass = 'block truncate rounded-s px-2 py-1 hover:bg-selection focus:bg-selection'

interface ChoiceProps {
  label: string
  names: string[] | undefined
  error: unknown
  children: (name: string) => React.ReactNode
}

const Choice = ({ label, names, error, children }: ChoiceProps) => {
  const [typed, setTyped] = useState('')
  if (error) return <Problem error={error} />
  const found = names?.filter((name) => name.toLowerCase().includes(typed.toLowerCase()))
  return (
    <>
      <TextField
        label={label}
        hidesLabel
        placeholder={label}
        autoFocus
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
      <div className="mt-1">
        {found?.slice(0, 100).map(children)}
        {found?.length === 0 && <p className="px-2 py-1 text-muted">None fits.</p>}
      </div>
    </>
  )
}
