import { useQuery } from '@tanstack/react-query'
import { useId } from 'react'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { Button, IconButton } from '../../../ui/button.tsx'
import { TextField } from '../../../ui/field.tsx'
import { LimitFields } from './limit-fields.tsx'
import { type TaskEntry, taskFaults } from './retention-entry.ts'

interface TaskRulesProps {
  collection: string
  tasks: readonly TaskEntry[]
  isDisabled: boolean
  onChange: (tasks: readonly TaskEntry[]) => void
}

const noTask: TaskEntry = { task: '', days: '', runs: '', gigabytes: '' }

/** Limits of single tasks, which replace those of all tasks. */
export const TaskRules = ({ collection, tasks, isDisabled, onChange }: TaskRulesProps) => {
  const id = useId()
  const list = useQuery({
    queryKey: [...keys.tasks(collection), 'summary'],
    queryFn: ({ signal }) => api.listTasks({ params: { collection }, query: { view: 'summary', limit: 500 }, signal }),
  })
  const change = (at: number, more: Partial<TaskEntry>) =>
    onChange(tasks.map((one, place) => (place === at ? { ...one, ...more } : one)))
  return (
    <section aria-labelledby="by-task" className="flex flex-col items-start gap-3">
      <div>
        <h2 id="by-task" className="font-semibold text-15">
          By task
        </h2>
        <p className="text-muted">A limit of a task replaces the one of all tasks; an empty one leaves it.</p>
      </div>
      <datalist id={id}>
        {list.data?.map(({ name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {tasks.map((entry, at) => {
        const faults = taskFaults(entry, tasks)
        const name = entry.task === '' ? `task ${at + 1}` : entry.task
        return (
          <div
            // biome-ignore lint/suspicious/noArrayIndexKey: a rule has no other identity while it is typed
            key={at}
            role="group"
            aria-label={`Rule of ${name}`}
            className="grid w-full grid-cols-3 items-start gap-3 max-sm:border-line max-sm:border-b max-sm:pb-3 sm:grid-cols-[14rem_8rem_8rem_8rem_auto]"
          >
            <TextField
              label="Task"
              list={id}
              placeholder="name of a task"
              disabled={isDisabled}
              boxClass="max-sm:col-span-2"
              value={entry.task}
              error={faults.task}
              onChange={(event) => change(at, { task: event.target.value })}
            />
            <IconButton
              icon="cross"
              label={`Remove the rule of ${name}`}
              disabled={isDisabled}
              className="mt-5.5 max-sm:justify-self-end sm:order-last"
              onClick={() => onChange(tasks.filter((_, place) => place !== at))}
            />
            <LimitFields
              entry={entry}
              faults={faults}
              isDisabled={isDisabled}
              empty="as all"
              isShort
              onChange={(limits) => change(at, limits)}
            />
          </div>
        )
      })}
      <Button icon="plus" disabled={isDisabled} onClick={() => onChange([...tasks, noTask])}>
        Add a task
      </Button>
    </section>
  )
}
