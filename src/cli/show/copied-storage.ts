import { byteSize } from '../../lib/settings/byte-size.ts'
import type { CopiedStorage, CopyProgress } from '../../server/local/copy-storage.ts'
import { safe } from './output.ts'

const everyMs = 5_000

/** Makes a function that reports the progress of a copy every few seconds. */
export const copyProgress = (note: (text: string) => void): ((counts: CopyProgress) => void) => {
  let saidMs = performance.now()
  return ({ objects, copied, bytes }) => {
    if (performance.now() - saidMs < everyMs) return
    saidMs = performance.now()
    note(`${objects} files, ${copied} of them copied (${byteSize(bytes)})`)
  }
}

const restart = `New files still go to the old storage. Restart all processes with JETTY_STORAGE set to the new one and
JETTY_STORAGE_FROM to the old one, then run this command again.`

/** Describes the result of a copy, and the next step. */
export const copiedText = (copied: CopiedStorage): string => {
  const { objects, present, bytes, missing, damaged, is_complete } = copied
  const lines = [
    `${safe(copied.from)} → ${safe(copied.to)}: ${objects} files, ${copied.copied} copied (${byteSize(bytes)}), ${present} were there`,
    ...missing.map((id) => `lost: object ${id} is in neither storage`),
    ...damaged.map((id) => `damaged: object ${id} has other bytes than when it was stored; it was not copied`),
  ]
  if (is_complete)
    lines.push('All files are copied. Remove JETTY_STORAGE_FROM and restart; the old storage is unchanged.')
  else if (missing.length + damaged.length === 0) lines.push(restart)
  return lines.join('\n')
}
