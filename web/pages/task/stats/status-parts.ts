import type { BarPart } from '../../../parts/chart/share-bar.tsx'

const fills: Partial<Record<string, string>> = { completed: 'fill-ok', failed: 'fill-bad', running: 'fill-run' }

/** One part of a bar for each status that runs have. */
export const statusParts = (byStatus: Readonly<Record<string, number>>): BarPart[] =>
  Object.entries(byStatus)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => ({ name, count, fill: fills[name] ?? 'fill-idle' }))

/** The numbers in words: `2 completed, 1 failed`. */
export const statusesInWords = (byStatus: Readonly<Record<string, number>>): string =>
  statusParts(byStatus)
    .map(({ name, count }) => `${count} ${name}`)
    .join(', ')

/** The share of completed runs among those that completed or failed. */
export const rateText = ({ completed = 0, failed = 0 }: Readonly<Record<string, number>>): string => {
  if (completed + failed === 0) return '–'
  const percent = (completed / (completed + failed)) * 100
  // 99.96 % is not all of them.
  return failed > 0 && percent > 99.9 ? '> 99.9 %' : `${Number(percent.toFixed(1))} %`
}
