import { useNow } from '../../../data/clock.ts'
import { Problem } from '../../../parts/problem.tsx'
import { bytesText, countText } from '../../../text/numbers.ts'
import { agoText } from '../../../text/times.ts'
import { CommandLines, SettingsHeading, UsageMeter } from '../frame.tsx'
import { Facts } from './facts.tsx'
import { useSystem } from './system-query.ts'

/** What the server stores, and which tables are large. */
const SizesPage = () => {
  const now = useNow()
  const system = useSystem()
  const sizes = system.data?.sizes
  return (
    <>
      <SettingsHeading title="Storage of the server">
        Runs stand in the database, files in the data folder. What retention removes makes room for new rows: a table
        does not become smaller at once.
      </SettingsHeading>
      {system.error && <Problem error={system.error} onRetry={() => void system.refetch()} />}
      {sizes && (
        <>
          <Facts
            rows={[
              ['Database', bytesText(sizes.database_bytes)],
              ['Files', bytesText(sizes.file_bytes)],
              ['Runs', countText(sizes.runs)],
              ['Collections', countText(sizes.collections)],
            ]}
          />
          {sizes.disk_bytes !== null && sizes.disk_free_bytes !== null && (
            <UsageMeter
              label="Disk of the data folder"
              used={sizes.disk_bytes - sizes.disk_free_bytes}
              limit={sizes.disk_bytes}
              text={bytesText}
              atLimit="Free some space, or let retention remove old runs."
            />
          )}
          <section aria-labelledby="tables">
            <h2 id="tables" className="mb-2 font-semibold text-15">
              Largest tables
            </h2>
            <table className="w-full max-w-150">
              <thead>
                <tr className="border-line border-b text-left text-11 text-muted">
                  <th className="py-1 font-medium">Table</th>
                  <th className="py-1 text-right font-medium">Size with indexes</th>
                  <th className="py-1 text-right font-medium">Rows, about</th>
                </tr>
              </thead>
              <tbody>
                {sizes.tables.slice(0, 12).map(({ name, bytes, rows }) => (
                  <tr key={name} className="border-line border-b tabular-nums">
                    <td className="break-all py-1 font-mono text-12">{name}</td>
                    <td className="py-1 text-right">{bytesText(bytes)}</td>
                    <td className="py-1 text-right">{countText(rows)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
          <p className="text-12 text-muted">Measured {agoText(sizes.measured_at, now)}.</p>
        </>
      )}
      <CommandLines lines={['jetty api getSystem | jq .sizes', 'jetty collections usage acme']} />
    </>
  )
}

export default SizesPage
