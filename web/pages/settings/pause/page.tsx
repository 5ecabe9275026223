import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { CollectionPauses } from '../../../../src/model/collections/collection.ts'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { useMayWrite, useWhoami } from '../../../data/whoami.ts'
import { PauseList, usePauses } from '../../../parts/paused.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { TextField } from '../../../ui/field.tsx'
import { type CollectionPlace, CommandLines, SettingsHeading } from '../frame.tsx'

/** Stops the work of a collection for a while, and lets it go on. */
const PausePage = ({ collection }: CollectionPlace) => {
  const read = usePauses(collection)
  const data = read.data
  return (
    <>
      <SettingsHeading title={`Pause ${collection}`}>
        While a collection is paused, steps under way end, accepted runs wait before their next step, and new runs and
        calls to models are refused. Nothing is lost: runs and routines go on when it is resumed.
      </SettingsHeading>
      {read.error && <Problem error={read.error} onRetry={() => void read.refetch()} />}
      {data && (data.paused ? <Paused collection={collection} {...data} /> : <Running collection={collection} />)}
      <CommandLines
        lines={[`jetty collections pause ${collection} --reason "…"`, `jetty collections resume ${collection}`]}
      />
    </>
  )
}

const useChange = (collection: string, work: () => Promise<CollectionPauses>) => {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: work,
    onSuccess: (pauses) => queries.setQueryData(keys.pauses(collection), pauses),
  })
}

const Running = ({ collection }: CollectionPlace) => {
  const mayWrite = useMayWrite()
  const [reason, setReason] = useState('')
  const pause = useChange(collection, () =>
    api.pauseCollection({ params: { collection }, body: { reason: reason.trim() || null } }),
  )
  return (
    <form
      className="flex max-w-120 flex-col items-start gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        pause.mutate()
      }}
    >
      <p>It is not paused.</p>
      <TextField
        label="Reason"
        hint="Shown to everybody whose work is refused."
        maxLength={500}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      <Button type="submit" disabled={!mayWrite || pause.isPending}>
        Pause the collection
      </Button>
      {pause.error && <Problem error={pause.error} />}
    </form>
  )
}

const Paused = ({ collection, pauses }: CollectionPlace & CollectionPauses) => {
  const mayWrite = useMayWrite()
  const isAdmin = useWhoami()?.access_level === 'ADMIN'
  const isBound = !isAdmin && pauses.every(({ by }) => by === 'operator')
  const resume = useChange(collection, () => api.resumeCollection({ params: { collection } }))
  return (
    <section aria-label="The pause" className="flex flex-col items-start gap-4">
      <PauseList pauses={pauses} />
      {isBound ? (
        <p className="text-muted">Only the operator of the server can end this pause.</p>
      ) : (
        <Button look="main" disabled={!mayWrite || resume.isPending} onClick={() => resume.mutate()}>
          Resume the collection
        </Button>
      )}
      {resume.error && <Problem error={resume.error} />}
    </section>
  )
}

export default PausePage
