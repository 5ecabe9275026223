import { agoText } from '../../text/times.ts'
import { personText } from '../status-of-run.ts'

export interface Saved {
  author: string | null
  created_at: string | null
}

/** Who saved a version, and when. */
export const versionMeta = ({ author, created_at }: Saved, now: number): string =>
  [author === null ? 'the server' : personText(author), agoText(created_at, now)].join(' · ')
