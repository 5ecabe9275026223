import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { TextField } from '../../../ui/field.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { RowSource } from './row-source.tsx'
import { useRowChoice } from './use-row-choice.ts'

interface NewBatchProps {
  place: TaskPlaceProps
  onClose: () => void
  onStarted: (id: string) => void
}

/** Starts a batch: from a file, which the server reads, or from rows that are typed or pasted. */
export const NewBatch = ({ place, onClose, onStarted }: NewBatchProps) => {
  const { collection, task } = place
  const [name, setName] = useState('')
  const [atOnce, setAtOnce] = useState('20')
  const choice = useRowChoice()
  const isNumber = /^[1-9]\d{0,4}$/.test(atOnce) && Number(atOnce) <= 10_000
  const start = useMutation({
    mutationFn: async () => {
      const source = await choice.source(collection)
      return api.runBatch({
        params: place,
        query: { preflight: 'refuse' },
        body: { ...source, max_concurrency: Number(atOnce), ...(name.trim() === '' ? {} : { name: name.trim() }) },
      })
    },
    onSuccess: ({ batch_id: id }) => onStarted(id),
  })
  const mayStart = isNumber && choice.isReady && !start.isPending
  return (
    <Dialog
      title={`New batch of ${task}`}
      width="wide"
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="main" icon="play" disabled={!mayStart} onClick={() => start.mutate()}>
            {start.isPending ? 'Starting …' : 'Start'}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <TextField label="Name" value={name} placeholder="optional" onChange={(event) => setName(event.target.value)} />
        <RowSource choice={choice} />
        <TextField
          label="Runs at a time"
          inputMode="numeric"
          value={atOnce}
          onChange={(event) => setAtOnce(event.target.value)}
          error={isNumber ? undefined : 'Write a number from 1 to 10,000'}
        />
        {start.error && <Problem error={start.error} />}
      </div>
    </Dialog>
  )
}
