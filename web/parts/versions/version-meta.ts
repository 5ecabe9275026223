import { agoText } from '../../text/ago.ts'

export interface Saved {
  author: string | null
  created_at: string | null
}

/** Who saved a version, and when. */
export const versionMeta = ({ author, created_at }: Saved, now: number): string =>
  [author ?? 'the server', agoText(created_at, now)].join(' · ')
