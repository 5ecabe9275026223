import type { ChartBar } from '../../../parts/chart/bars.tsx'

/** One bar for each status that runs have. */
export const statusBars = (byStatus: Readonly<Record<string, number>>): ChartBar[] =>
  Object.entries(byStatus)
    .filter(([, count]) => count > 0)
    .map(([label, count]) => ({ label, values: [count] }))

/** The share of completed runs among those that completed or failed. */
export const rateText = ({ completed = 0, failed = 0 }: Readonly<Record<string, number>>): string => {
  if (completed + failed === 0) return '–'
  const percent = (completed / (completed + failed)) * 100
  // 99.96 % is not all of them.
  return failed > 0 && percent > 99.9 ? '> 99.9 %' : `${Number(percent.toFixed(1))} %`
}
