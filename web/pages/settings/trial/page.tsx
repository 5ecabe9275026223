import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { api } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { countText } from '../../../text/numbers.ts'
import { agoText } from '../../../text/times.ts'
import { Button } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { type CollectionPlace, CommandLines, SettingsHeading, UsageMeter } from '../frame.tsx'

const states = {
  inactive: 'Not begun.',
  active: 'Under way: steps without a key of their own use those of the server.',
  exhausted: 'Used up. Set keys of your own to go on.',
  expired: 'Over. Set keys of your own to go on.',
  unavailable: 'This server lends no keys.',
} as const

/** The keys of the server that a collection may try models with. */
const TrialPage = ({ collection }: CollectionPlace) => {
  const now = useNow()
  const queries = useQueryClient()
  const mayWrite = useMayWrite()
  const queryKey = ['trial', collection]
  const read = useQuery({ queryKey, queryFn: ({ signal }) => api.getTrial({ params: { collection }, signal }) })
  const begin = useMutation({
    mutationFn: () => api.activateTrial({ params: { collection } }),
    onSuccess: (trial) => queries.setQueryData(queryKey, trial),
  })
  const trial = read.data
  return (
    <>
      <SettingsHeading title={`Trial of ${collection}`}>
        A server may lend keys of model providers, so that a collection can be tried before it has its own. The trial
        begins once, and is limited in runs and minutes.
      </SettingsHeading>
      {read.error && <Problem error={read.error} onRetry={() => void read.refetch()} />}
      {trial?.status === 'unavailable' && (
        <Empty title="This server lends no keys" command={`jetty env set ${collection} OPENAI_API_KEY`}>
          Set keys of your own as variables of the collection. Whoever runs the server can lend some with
          JETTY_TRIAL_KEYS.
        </Empty>
      )}
      {trial && trial.status !== 'unavailable' && (
        <section aria-label="The trial" className="flex flex-col gap-4">
          <p>{states[trial.status]}</p>
          {trial.status === 'inactive' ? (
            <Button
              look="main"
              className="self-start"
              disabled={!mayWrite || begin.isPending}
              onClick={() => begin.mutate()}
            >
              Begin the trial
            </Button>
          ) : (
            <>
              <UsageMeter label="Runs" used={trial.runs_used} limit={trial.runs_limit} text={countText} />
              <UsageMeter label="Minutes" used={trial.minutes_used} limit={trial.minutes_limit} text={countText} />
              {trial.expires_at && <p className="text-muted">Ends {agoText(trial.expires_at, now)}.</p>}
            </>
          )}
          <p className="text-muted">Lent keys: {trial.providers.join(', ')}</p>
          {begin.error && <Problem error={begin.error} />}
        </section>
      )}
      <CommandLines lines={[`jetty trial show ${collection}`]} />
    </>
  )
}

export default TrialPage
