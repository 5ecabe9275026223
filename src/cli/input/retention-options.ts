import { InvalidArgumentError } from 'commander'
import { parsedBytes } from '../../lib/settings/byte-size.ts'
import type { RetentionTrial } from '../../model/collections/retention-preview.ts'

/** Options of `jetty collections retention`; null removes a limit. */
export interface RetentionOptions {
  task?: string
  days?: number | null
  runs?: number | null
  bytes?: number | null
  keepLabel?: string[]
  labelDays?: [label: string, days: number | null][]
}

/** Parses a whole number, or `none`. */
export const numberOrNone = (text: string): number | null => {
  if (text === 'none') return null
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('Expected a whole number of at least 1, or none.')
  return Number(text)
}

/** Parses a size such as `10GiB`, or `none`. */
export const bytesOrNone = (text: string): number | null => {
  if (text === 'none') return null
  const bytes = parsedBytes(text)
  if (bytes === undefined) throw new InvalidArgumentError('Expected a size such as 500MiB or 10GiB, or none.')
  return bytes
}

/** Parses `label=days`; repeatable. */
export const labelWithDays = (text: string, before: [string, number | null][] = []): [string, number | null][] => {
  const at = text.lastIndexOf('=')
  if (at < 1) throw new InvalidArgumentError('Expected a label and days, such as env:test=1.')
  return [...before, [text.slice(0, at), numberOrNone(text.slice(at + 1))]]
}

/** The change of the settings that the options ask for; undefined: none. */
export const retentionChange = (options: RetentionOptions): RetentionTrial | undefined => {
  const { task, days, runs, bytes, keepLabel, labelDays } = options
  const limits = { ...(runs !== undefined && { runs }), ...(bytes !== undefined && { bytes }) }
  const ofTask = task === undefined ? undefined : { ...(days !== undefined && { days }), ...limits }
  const labels = labelDays?.map(([label, count]) => [label, count === null ? null : { days: count }] as const)
  const retention = {
    ...(ofTask ? Object.keys(ofTask).length > 0 && { tasks: { [task as string]: ofTask } } : limits),
    ...(keepLabel && { keep_labels: keepLabel.includes('none') ? null : keepLabel }),
    ...(labels && { labels: Object.fromEntries(labels) }),
  }
  const change: RetentionTrial = {
    ...(task === undefined && days !== undefined && { retention_days: days }),
    ...(Object.keys(retention).length > 0 && { retention }),
  }
  return Object.keys(change).length > 0 ? change : undefined
}
