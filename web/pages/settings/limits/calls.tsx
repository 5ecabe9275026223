import { Problem } from '../../../parts/problem.tsx'
import { type CollectionPlace, CommandLines, SettingsHeading } from '../frame.tsx'
import { Deployments } from './deployments.tsx'
import type { SettingField } from './setting-fields.ts'
import { SettingsForm } from './settings-form.tsx'
import { useSettings } from './settings-query.ts'

const fields: SettingField[] = [
  {
    name: 'record_calls',
    label: 'Record each call of the gateway as a run',
    hint: 'A call without a record still counts towards the budget',
    kind: 'switch',
    empty: 'As usual: yes',
  },
  {
    name: 'cache_calls',
    label: 'Answer an identical call from the cache',
    hint: 'The earlier answer costs nothing and comes at once',
    kind: 'switch',
    empty: 'As usual: no',
  },
  {
    name: 'fallback_models',
    label: 'Models to fall back to',
    hint: 'In this order, a line each, when the model of a call cannot answer',
    kind: 'lines',
    empty: 'none',
  },
  {
    name: 'allowed_hosts',
    label: 'Hosts that steps and model calls may reach',
    hint: 'A line each, such as api.example.com or *.example.com; (none) allows none',
    kind: 'lines',
    empty: 'every public host',
  },
  {
    name: 'server_labels',
    label: 'Labels that server processes must have',
    hint: 'A line each, such as gpu or eu: processes without them (JETTY_LABELS) execute no new runs of this collection',
    kind: 'lines',
    empty: 'none',
  },
  {
    name: 'worker_labels',
    label: 'Labels that workers must have',
    hint: 'A line each, such as gpu or eu: other workers get no jobs of this collection',
    kind: 'lines',
    empty: 'none',
  },
]

/** How model calls of a collection are answered, and where its steps may call. */
const CallsPage = ({ collection }: CollectionPlace) => {
  const settings = useSettings(collection)
  return (
    <>
      <SettingsHeading title={`Calls and network of ${collection}`}>
        How the gateway answers model calls of this collection, and which hosts its steps may reach.
      </SettingsHeading>
      {settings.error && <Problem error={settings.error} onRetry={() => void settings.refetch()} />}
      {settings.data && <SettingsForm collection={collection} read={settings.data} fields={fields} />}
      {settings.data && <Deployments collection={collection} read={settings.data} />}
      <CommandLines lines={[`jetty api updateCollectionSettings collection=${collection} cache_calls=true`]} />
    </>
  )
}

export default CallsPage
