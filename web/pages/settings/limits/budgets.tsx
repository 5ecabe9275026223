import { Problem } from '../../../parts/problem.tsx'
import { countText, usdText } from '../../../text/numbers.ts'
import { type CollectionPlace, CommandLines, SettingsHeading, UsageMeter } from '../frame.tsx'
import type { SettingField } from './setting-fields.ts'
import { SettingsForm } from './settings-form.tsx'
import { useSettings, useUsage } from './settings-query.ts'

const fields: SettingField[] = [
  {
    name: 'budget.usd_per_day',
    label: 'US dollars a day',
    hint: 'Model calls from midnight to midnight (UTC). Without a limit in tokens, models of unknown price are refused',
    kind: 'number',
    empty: 'no limit',
  },
  {
    name: 'budget.tokens_per_day',
    label: 'Tokens a day',
    hint: 'Tokens in and out, cached ones too: it holds also for models without a known price',
    kind: 'whole',
    empty: 'no limit',
  },
  {
    name: 'run_budget.usd',
    label: 'US dollars of one run',
    hint: 'A step that would begin a call above it fails',
    kind: 'number',
    empty: 'no limit',
  },
  {
    name: 'rate_limit_per_minute',
    label: 'Calls a minute of one key',
    hint: 'Further calls are answered with 429 and when to come again',
    kind: 'whole',
    empty: 'the limit of the server',
  },
]

/** What a collection may spend, and what it has spent today. */
const BudgetsPage = ({ collection }: CollectionPlace) => {
  const settings = useSettings(collection)
  const usage = useUsage(collection)
  const budget = settings.data?.settings.budget
  const today = usage.data?.spent_today
  return (
    <>
      <SettingsHeading title={`Budgets of ${collection}`}>
        At a limit the server refuses the next model call, and runs that need one fail with the reason. Calls under way
        are finished, so a day can end a little above its budget.
      </SettingsHeading>
      {settings.error && <Problem error={settings.error} onRetry={() => void settings.refetch()} />}
      {usage.error && <Problem error={usage.error} onRetry={() => void usage.refetch()} />}
      {today && settings.data && (
        <section aria-label="Spent today" className="flex flex-col gap-3">
          <UsageMeter
            label="Spent today"
            used={today.usd}
            limit={budget?.usd_per_day ?? null}
            text={usdText}
            atLimit="At the limit model calls are refused until midnight (UTC), or until you raise it."
          />
          <UsageMeter
            label="Tokens today"
            used={today.tokens}
            limit={budget?.tokens_per_day ?? null}
            text={countText}
            atLimit="At the limit model calls are refused until midnight (UTC), or until you raise it."
          />
        </section>
      )}
      {settings.data && <SettingsForm collection={collection} read={settings.data} fields={fields} />}
      <CommandLines
        lines={[
          `jetty collections usage ${collection}`,
          `jetty api updateCollectionSettings collection=${collection} 'budget={"usd_per_day": 20}'`,
        ]}
      />
    </>
  )
}

export default BudgetsPage
