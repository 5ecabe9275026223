import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../data/api.ts'
import type { RunAddress } from '../../data/run.ts'
import { statusOfRun } from '../../parts/status-of-run.ts'
import { agoText } from '../../text/ago.ts'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Popover } from '../../ui/popover.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { readRunName } from './run-names.ts'

/** Adds a run by its name or address, or from the newest of the task. */
export const AddRun = ({ near, onAdd }: { near: RunAddress | undefined; onAdd: (place: RunAddress) => void }) => (
  <Popover
    className="inline-flex h-7 items-center gap-1 rounded-m border border-line px-2 hover:bg-sunk"
    button={
      <>
        <Icon name="plus" />
        Add a run
      </>
    }
    boxClass="w-90 p-3"
  >
    {(close) => (
      <AddForm
        near={near}
        onAdd={(place) => {
          close()
          onAdd(place)
        }}
      />
    )}
  </Popover>
)

const AddForm = ({ near, onAdd }: { near: RunAddress | undefined; onAdd: (place: RunAddress) => void }) => {
  const [text, setText] = useState('')
  const place = readRunName(text, near)
  const isElsewhere = place !== undefined && near !== undefined && place.collection !== near.collection
  const problem = isElsewhere ? 'Only runs of one collection can be compared.' : undefined
  return (
    <form
      className="flex flex-col gap-2"
      onSubmit={(event) => {
        event.preventDefault()
        if (place && !isElsewhere) onAdd(place)
      }}
    >
      <div className="flex items-end gap-2">
        <TextField
          label="Run"
          placeholder="id, collection/task/id or address"
          value={text}
          error={problem}
          onChange={(event) => setText(event.target.value)}
          boxClass="flex-1"
        />
        <Button type="submit" disabled={!place || isElsewhere}>
          Add
        </Button>
      </div>
      {near && <Newest near={near} onAdd={onAdd} />}
    </form>
  )
}

const Newest = ({ near, onAdd }: { near: RunAddress; onAdd: (place: RunAddress) => void }) => {
  const { collection, task } = near
  const { data } = useQuery({
    queryKey: ['newest', collection, task],
    queryFn: ({ signal }) =>
      api.listCollectionRuns({ params: { collection }, query: { task: [task], limit: 20 }, signal }),
  })
  return (
    <ul className="max-h-80 overflow-auto">
      {data?.runs
        .filter((run) => run.trajectory_id !== near.id)
        .map((run) => (
          <li key={run.trajectory_id}>
            <button
              type="button"
              onClick={() => onAdd({ collection, task, id: run.trajectory_id })}
              className="flex w-full items-center gap-2 rounded-s px-1 py-1 text-left hover:bg-sunk"
            >
              <StatusMark of={statusOfRun(run)} label={statusWord(run.status)} />
              <span className="min-w-0 flex-1 truncate font-mono text-12">{run.trajectory_id}</span>
              <span className="text-12 text-muted">{agoText(run.created, Date.now())}</span>
            </button>
          </li>
        ))}
    </ul>
  )
}
