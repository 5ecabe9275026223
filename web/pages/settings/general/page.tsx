import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { useWhoami } from '../../../data/whoami.ts'
import { Confirm, Lost } from '../../../parts/form-dialog.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { bytesText } from '../../../text/numbers.ts'
import { momentText } from '../../../text/times.ts'
import { Button } from '../../../ui/button.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { type CollectionPlace, CommandLines, SettingsHeading } from '../frame.tsx'
import { useUsage } from '../limits/settings-query.ts'

/** What a collection is, and how it is deleted. */
const GeneralPage = ({ collection }: CollectionPlace) => {
  const isAdmin = useWhoami()?.auth_type === 'admin'
  const [isAsking, setAsking] = useState(false)
  const found = useQuery({
    queryKey: [...keys.collections, collection],
    queryFn: ({ signal }) => api.getCollection({ params: { collection }, signal }),
  })
  const about = found.data
  return (
    <>
      <SettingsHeading title={`Collection ${collection}`}>{about?.description ?? ''}</SettingsHeading>
      {found.error && <Problem error={found.error} onRetry={() => void found.refetch()} />}
      {about && (
        <dl className="grid max-w-110 grid-cols-[8rem_1fr] gap-x-6 gap-y-1">
          <dt className="text-muted">Made</dt>
          <dd>{momentText(about.created_at)}</dd>
          <dt className="text-muted">Owner</dt>
          <dd>{about.owner_identifier ?? 'nobody is named'}</dd>
        </dl>
      )}
      <section aria-labelledby="delete" className="flex flex-col items-start gap-2">
        <h2 id="delete" className="font-semibold text-15">
          Delete this collection
        </h2>
        <p className="text-muted">
          {isAdmin
            ? 'Everything in it goes with it. This cannot be undone.'
            : 'Only the admin can delete a collection. Sign in with the admin token, or ask for it.'}
        </p>
        <Button look="bad" icon="bin" disabled={!isAdmin} onClick={() => setAsking(true)}>
          Delete {collection}
        </Button>
      </section>
      <CommandLines lines={[`jetty collections rm ${collection}`]} />
      {isAsking && <DeleteCollection collection={collection} onClose={() => setAsking(false)} />}
    </>
  )
}

const DeleteCollection = ({ collection, onClose }: CollectionPlace & { onClose: () => void }) => {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const params = { collection }
  const counts = useQuery({
    queryKey: ['counts', collection],
    queryFn: ({ signal }) => api.countCollectionRuns({ params, signal }),
  })
  const datasets = useQuery({
    queryKey: [...keys.datasets(collection), 'counted'],
    queryFn: ({ signal }) => api.listDatasets({ params, query: { limit: 500 }, signal }),
  })
  const usage = useUsage(collection)
  const { data } = counts
  const open = data ? data.by_status.running + data.by_status.pending : 0
  const isEmpty = data?.total === 0 && data.tasks === 0 && datasets.data?.length === 0
  const gone = () => {
    showToast({ text: `Deleted ${collection}` })
    void queries.invalidateQueries({ queryKey: keys.collections })
    void navigate({ to: '/' })
  }
  return (
    <Confirm
      title={`Delete ${collection}?`}
      action="Delete it"
      typed={isEmpty ? undefined : collection}
      isLoading={counts.isPending || datasets.isPending}
      work={() => api.deleteCollection({ params })}
      onDone={gone}
      onClose={onClose}
    >
      <p>This is deleted for ever, and nobody can bring it back:</p>
      {counts.error && <Problem error={counts.error} onRetry={() => void counts.refetch()} />}
      {data && (
        <Lost
          of={[
            [data.tasks, 'task', 'tasks'],
            [data.versions, 'version of them', 'versions of them'],
            [data.routines, 'routine', 'routines'],
            [data.total, 'run', 'runs'],
            [datasets.data?.length ?? 0, 'dataset', 'datasets'],
          ]}
        />
      )}
      <p>
        {usage.data && usage.data.stored_bytes > 0 && `${bytesText(usage.data.stored_bytes)} of values and files, `}
        its variables, settings and webhooks go, too. Keys that cover only this collection stop working.
        {open > 0 && ` ${open === 1 ? 'One run is' : `${open} runs are`} open and will be stopped.`}
      </p>
    </Confirm>
  )
}

export default GeneralPage
