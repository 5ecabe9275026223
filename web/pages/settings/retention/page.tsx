import { Problem } from '../../../parts/problem.tsx'
import { CommandLines } from '../command-lines.tsx'
import { SettingsHeading } from '../heading.tsx'
import { useSettings } from '../limits/settings-query.ts'
import type { CollectionPlace } from '../place.ts'
import { RulesForm } from './rules-form.tsx'

/** Which runs are deleted by themselves. */
const RetentionPage = ({ collection }: CollectionPlace) => {
  const settings = useSettings(collection)
  return (
    <>
      <SettingsHeading title={`Retention of ${collection}`}>
        Runs that these rules name are deleted with their steps, labels and files. Without a rule every run is kept.
        Open runs stay, and so do runs whose parent or child is open.
      </SettingsHeading>
      {settings.error && <Problem error={settings.error} onRetry={() => void settings.refetch()} />}
      {settings.data && <RulesForm key={collection} collection={collection} read={settings.data} />}
      <CommandLines
        lines={[
          `jetty collections retention ${collection} --days 90 --keep-label golden --dry-run`,
          `jetty collections retention ${collection} --task nightly --runs 100`,
        ]}
      />
    </>
  )
}

export default RetentionPage
