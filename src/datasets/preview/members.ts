import { type Preview, PreviewFailed, type PreviewLimits, type PreviewSource } from './preview.ts'

export type PreviewMember = (member: PreviewSource) => Promise<Preview>

/** Throws for a name that leads out of its archive. */
export const requireInside = (archive: string, name: string): void => {
  const isOutside = name.startsWith('/') || /^[a-z]:/i.test(name) || name.split(/[/\\]/).includes('..')
  if (!isOutside && !name.includes('\0')) return
  throw new PreviewFailed(
    'invalid',
    `${archive} has a member whose name leads out of it: ${JSON.stringify(name.slice(0, 200))}`,
  )
}

/** Whether a member of an archive is of a kind that can be shown. Hidden files of systems are not. */
export const isShowable = (name: string, size: number, { unpackedBytes }: PreviewLimits): boolean => {
  if (/(^|\/)(\._|__MACOSX\/|\.)/.test(name)) return false
  return /\.(csv|tsv|tab|json|jsonl|ndjson)$/i.test(name) || (/\.parquet$/i.test(name) && size <= unpackedBytes)
}

/** How much of a member is unpacked: a parquet file as a whole, of a text what is looked at. */
export const bytesToUnpack = (name: string, size: number, limits: PreviewLimits): number =>
  /\.parquet$/i.test(name) || (/\.json$/i.test(name) && size <= 8 * 1024 * 1024)
    ? Math.min(size, limits.unpackedBytes)
    : Math.min(size, limits.sampleBytes)

/** A source over the beginning of a member. */
export const memorySource = (name: string, size: number, bytes: Uint8Array): PreviewSource => ({
  name,
  size,
  read: async (start, end) => bytes.subarray(Math.max(0, start), Math.max(0, end)),
})

/** The preview of an archive: that of a member, or of none. */
export const archivePreview = (
  format: string,
  members: { name: string; size: number }[],
  shown: { name: string; preview: Preview } | undefined,
  truncated: boolean,
): Preview => {
  if (!shown) {
    return { format, columns: [], rows: [], row_count: null, truncated, members, member: null }
  }
  return { ...shown.preview, format, members, member: shown.name, truncated: truncated || shown.preview.truncated }
}
