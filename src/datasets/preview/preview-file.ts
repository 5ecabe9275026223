import { previewParquet } from './parquet.ts'
import { type Preview, PreviewFailed, type PreviewLimits, type PreviewSource } from './preview.ts'
import { previewGzip } from './tar-gz.ts'
import { previewDelimited, previewJson, previewJsonLines } from './texts.ts'
import { previewZip } from './zip.ts'

/** The format of a file by its name, without the ending of a compression. */
const textFormatOf = (name: string): 'csv' | 'tsv' | 'json' | 'jsonl' | undefined => {
  const ending = name.toLowerCase().replace(/\.gz$/, '').split('.').at(-1)
  if (ending === 'csv' || ending === 'tsv' || ending === 'json') return ending
  if (ending === 'tab') return 'tsv'
  return ending === 'jsonl' || ending === 'ndjson' ? 'jsonl' : undefined
}

/** Shows a text by the format that its name says. */
const showText = (source: PreviewSource, limits: PreviewLimits): Promise<Preview> => {
  const format = textFormatOf(source.name)
  if (format === 'json') return previewJson(source, limits)
  if (format === 'jsonl') return previewJsonLines(source, limits)
  if (format) return previewDelimited(source, limits, format)
  const message = `${source.name} has no format that can be shown: parquet, CSV, TSV, JSON, JSON lines, tar.gz or zip`
  throw new PreviewFailed('unsupported', message)
}

/** Shows the first rows of a file, or of the first member of an archive that can be shown. */
export const previewFile = async (source: PreviewSource, limits: PreviewLimits): Promise<Preview> => {
  if (source.size === 0) throw new PreviewFailed('invalid', `${source.name} is empty`)
  const start = Buffer.from(await source.read(0, Math.min(4, source.size)))
  if (start.toString('latin1') === 'PAR1') return previewParquet(source, limits)
  const previewMember = (member: PreviewSource) =>
    /\.parquet$/i.test(member.name) ? previewParquet(member, limits) : showText(member, limits)
  if (start.toString('latin1').startsWith('PK')) return previewZip(source, limits, previewMember)
  if (start[0] === 0x1f && start[1] === 0x8b) return previewGzip(source, limits, previewMember)
  if (/\.(parquet|zip|t?gz)$/i.test(source.name)) {
    throw new PreviewFailed('invalid', `${source.name} does not begin as its name says`)
  }
  return showText(source, limits)
}
