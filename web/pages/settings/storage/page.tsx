import { useNow } from '../../../data/clock.ts'
import { useWhoami } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { bytesText, countText } from '../../../text/numbers.ts'
import { agoText } from '../../../text/times.ts'
import { type CollectionPlace, CommandLines, SettingsHeading, UsageMeter } from '../frame.tsx'
import type { SettingField } from '../limits/setting-fields.ts'
import { SettingsForm } from '../limits/settings-form.tsx'
import { useSettings, useUsage } from '../limits/settings-query.ts'

const quotaFields: SettingField[] = [
  {
    name: 'quota.stored_bytes',
    label: 'Bytes that may be stored',
    hint: 'Texts of runs in the database, and files',
    kind: 'whole',
    empty: 'the default of the server',
  },
  {
    name: 'quota.runs',
    label: 'Runs that may be stored',
    hint: 'Recorded calls of the gateway count, too',
    kind: 'whole',
    empty: 'the default of the server',
  },
]

const atLimit =
  'At the limit new runs, uploads and recorded calls are refused. Delete runs, or let retention remove old ones.'

/** What a collection stores, against its quota. */
const StoragePage = ({ collection }: CollectionPlace) => {
  const now = useNow()
  const isAdmin = useWhoami()?.auth_type === 'admin'
  const usage = useUsage(collection)
  const settings = useSettings(collection)
  const used = usage.data
  return (
    <>
      <SettingsHeading title={`Storage of ${collection}`}>
        Texts of runs stand in the database: parameters, inputs, outputs and errors. Files stand in the data folder.
      </SettingsHeading>
      {usage.error && <Problem error={usage.error} onRetry={() => void usage.refetch()} />}
      {used && (
        <section aria-label="Used" className="flex flex-col gap-4">
          <UsageMeter
            label="Stored"
            used={used.stored_bytes}
            limit={used.quota.stored_bytes}
            text={bytesText}
            atLimit={atLimit}
          />
          <dl className="grid max-w-110 grid-cols-[1fr_auto] gap-x-6 gap-y-1">
            <dt className="text-muted">In the database</dt>
            <dd className="text-right tabular-nums">{bytesText(used.database_bytes)}</dd>
            <dt className="text-muted">In files</dt>
            <dd className="text-right tabular-nums">{bytesText(used.file_bytes)}</dd>
          </dl>
          <UsageMeter label="Runs" used={used.runs} limit={used.quota.runs} text={countText} atLimit={atLimit} />
          <p className="text-12 text-muted">
            {used.measured === null
              ? 'Not measured yet: what was stored earlier is missing in these figures.'
              : `Measured ${agoText(used.measured, now)}; what came since is added.`}
          </p>
        </section>
      )}
      {isAdmin && settings.data && (
        <section aria-labelledby="quota" className="flex flex-col gap-3">
          <h2 id="quota" className="font-semibold text-15">
            Quota
          </h2>
          <SettingsForm collection={collection} read={settings.data} fields={quotaFields} />
        </section>
      )}
      <CommandLines lines={[`jetty collections usage ${collection}`]} />
    </>
  )
}

export default StoragePage
