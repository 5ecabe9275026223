import { agoText } from '../../text/times.ts'
import { personText } from '../status-of-run.ts'

export interface Saved {
  author: string | null
  created_at: string | null
}

/** A version that runs were asked for: `v3`, and the tag or hash that they named it by. */
export const versionName = ({ ref, index }: { ref: string; index: number }): string =>
  ref.startsWith('~') || ref === String(index) ? `v${index}` : `v${index} (${ref.slice(0, 40)})`

/** Who saved a version, and when. */
export const versionMeta = ({ author, created_at }: Saved, now: number): string =>
  [author === null ? 'the server' : personText(author), agoText(created_at, now)].join(' · ')
