import type { SystemState } from '../../../../src/model/system.ts'
import { useNow } from '../../../data/clock.ts'
import { Problem } from '../../../parts/problem.tsx'
import { agoText } from '../../../text/times.ts'
import { Badge } from '../../../ui/badge.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { CommandLines, SettingsHeading } from '../frame.tsx'
import { useSystem } from './system-query.ts'

type Provider = SystemState['providers'][number]

/** The model providers: who has keys, and how they answered. */
const ProvidersPage = () => {
  const system = useSystem()
  const providers = system.data?.providers ?? []
  return (
    <>
      <SettingsHeading title="Providers">
        Model providers that a collection has a key of, and how they answered since this process started. Faults of a
        request, such as an unknown model, are not counted as failures.
      </SettingsHeading>
      {system.error && <Problem error={system.error} onRetry={() => void system.refetch()} />}
      {system.isSuccess && providers.length === 0 && (
        <Empty title="No collection has a key of a provider" command="jetty env set acme OPENAI_API_KEY">
          Models of the provider scripted answer without one. Keys are variables of a collection.
        </Empty>
      )}
      {providers.length > 0 && (
        <ul aria-label="Providers" className="divide-y divide-line border-line border-y">
          {providers.map((one) => (
            <ProviderRow key={one.name} of={one} />
          ))}
        </ul>
      )}
      <CommandLines lines={['jetty api getSystem', 'jetty api listRoutableModels']} />
    </>
  )
}

const lastText = ({ last_answer_at: answer, last_failure: failure, calls }: Provider, now: number): string => {
  if (calls === 0) return 'not called since the start'
  if (failure && (answer === null || failure.at > answer)) return `${failure.reason}, ${agoText(failure.at, now)}`
  return `answered ${agoText(answer, now)}`
}

const ProviderRow = ({ of }: { of: Provider }) => {
  const now = useNow()
  const { name, keys, collections, is_lent: isLent, calls, failures, last_failure: failure } = of
  const isFailing = failure !== null && (of.last_answer_at === null || failure.at > of.last_answer_at)
  return (
    <li className="flex flex-wrap items-center gap-x-6 gap-y-1 py-2.5">
      <div className="min-w-48 flex-1">
        <p className="flex items-center gap-2 font-medium">
          {name}
          {isLent && <Badge>lent to trials</Badge>}
        </p>
        <p className="text-12 text-muted">
          {collections === 1 ? '1 collection has a key' : `${collections} collections have a key`}
          {keys.length > 0 && ` · ${keys.join(', ')}`}
        </p>
      </div>
      <p className="text-12 tabular-nums">
        {calls} calls, {failures} failed
      </p>
      <p className="flex min-w-56 items-start gap-1.5 text-12">
        {calls > 0 && (
          <Icon
            name={isFailing ? 'warning' : 'tick'}
            label={isFailing ? 'Failing' : 'Answers'}
            className={isFailing ? 'text-bad' : 'text-ok'}
          />
        )}
        <span className={calls > 0 ? '' : 'text-muted'}>{lastText(of, now)}</span>
      </p>
    </li>
  )
}

export default ProvidersPage
