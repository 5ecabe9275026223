import type { SetCollectionSettings } from '../../../../src/model/collections/collection-settings.ts'
import { useNow } from '../../../data/clock.ts'
import { Problem } from '../../../parts/problem.tsx'
import { dayText } from '../../../text/moment.ts'
import { CommandLines } from '../command-lines.tsx'
import { Confirm } from '../confirm.tsx'
import { SettingsHeading } from '../heading.tsx'
import type { CollectionPlace } from '../place.ts'
import type { SettingField } from './setting-fields.ts'
import { SettingsForm } from './settings-form.tsx'
import { useSettings } from './settings-query.ts'

const fields: SettingField[] = [
  {
    name: 'retention_days',
    label: 'Days that a run is kept after its end',
    hint: 'Empty: runs are kept until somebody deletes them',
    kind: 'whole',
    empty: 'for ever',
  },
]

const dayMs = 86_400_000

/** How long runs are kept. A shorter time deletes runs, so it is asked for twice. */
const RetentionPage = ({ collection }: CollectionPlace) => {
  const settings = useSettings(collection)
  const now = useNow()
  const days = settings.data?.settings.retention_days ?? null
  const confirm = (change: SetCollectionSettings, save: () => Promise<unknown>, close: () => void) => {
    const asked = change.retention_days ?? null
    if (asked === null || (days !== null && asked >= days)) return undefined
    return (
      <Confirm title={`Delete runs after ${asked} days?`} action="Save and delete" work={save} onClose={close}>
        <p>
          Runs that ended before {dayText(Date.now() - asked * dayMs)} are deleted within minutes, with their steps,
          labels and files. This cannot be taken back.
        </p>
      </Confirm>
    )
  }
  return (
    <>
      <SettingsHeading title={`Retention of ${collection}`}>
        Old runs are deleted with their steps, labels and files. Lists, totals and statistics then cover the runs that
        are left. A run whose parent still runs is kept until the parent has ended.
      </SettingsHeading>
      {settings.error && <Problem error={settings.error} onRetry={() => void settings.refetch()} />}
      {settings.data && (
        <>
          <p>
            {days === null
              ? 'Runs are kept until somebody deletes them.'
              : `Runs that ended before ${dayText(now - days * dayMs)} have been deleted.`}
          </p>
          <SettingsForm collection={collection} read={settings.data} fields={fields} confirm={confirm} />
        </>
      )}
      <CommandLines lines={[`jetty api updateCollectionSettings collection=${collection} retention_days=90`]} />
    </>
  )
}

export default RetentionPage
