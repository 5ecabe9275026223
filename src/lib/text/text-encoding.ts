import { AppError } from '../errors.ts'
import { fileFormatOf } from '../files/media-file.ts'
import { contentTypeOf, extensionOf, isTextType } from '../files/media-type.ts'

/** `guessed` is true when neither the bytes nor a charset determined the encoding. */
interface DecodedText {
  text: string
  encoding: string
  guessed: boolean
}

/** Name and declared content type of some bytes. */
interface TextSource {
  name: string
  contentType?: string
}

const documentHint = 'Convert it, and upload it as plain text.'
const imageHint = 'Upload the text of the image as plain text.'
const archiveHint = 'Upload the text files themselves.'
const recordingHint = 'Upload a transcript as plain text.'

const named: Record<string, string> = {
  pdf: 'a PDF document',
  docx: 'a Word document',
  xlsx: 'an Excel workbook',
  pptx: 'a PowerPoint presentation',
  cfb: 'an old Office document (.doc, .xls or .ppt)',
  odt: 'an OpenDocument text',
  ods: 'an OpenDocument spreadsheet',
  rtf: 'an RTF document',
  ps: 'a PostScript file',
  eps: 'a PostScript file',
  epub: 'an EPUB book',
  parquet: 'a Parquet table',
  sqlite: 'an SQLite database',
}

const archives = new Set(['zip', 'gz', 'tar', 'tar.gz', 'bz2', 'xz', '7z', 'rar', 'zst', 'lz', 'lz4', 'br', 'Z'])
// PDF, RTF and PostScript may consist of printable characters only. For any other format, a text without control bytes
// counts as text that begins like the format by chance: `BM` for a bitmap, `%!` for PostScript.
const printableFormats = /^(%PDF-|\{\\rtf|%!PS)/

const refuse = (source: TextSource, what: string, hint: string): AppError =>
  new AppError('parameter_invalid', `'${source.name}' is ${what}, so it cannot be read as text. ${hint}`, {
    hint,
  })

const describeFormat = (extension: string, mime: string): [what: string, hint: string] => {
  if (named[extension]) return [named[extension], documentHint]
  if (archives.has(extension)) return [`an archive (${extension})`, archiveHint]
  const kind = mime.split('/', 1)[0]
  if (kind === 'image') return [`an image (${mime})`, imageHint]
  if (kind === 'audio' || kind === 'video') return [`a recording (${mime})`, recordingHint]
  return [`a file in the format ${extension} (${mime})`, documentHint]
}

const byteOrderMark = (bytes: Uint8Array): string | undefined => {
  const [a, b, c, d] = bytes
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8'
  if ((a === 0xff && b === 0xfe && c === 0 && d === 0) || (a === 0 && b === 0 && c === 0xfe && d === 0xff))
    return 'utf-32'
  if (a === 0xff && b === 0xfe) return 'utf-16le'
  if (a === 0xfe && b === 0xff) return 'utf-16be'
  return undefined
}

const declaredCharset = (contentType: string | undefined): string | undefined =>
  /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType ?? '')?.[1]?.toLowerCase()

/** Decodes bytes; undefined when they are invalid in that encoding, or the encoding is unknown. */
const decodeAs = (bytes: Uint8Array, encoding: string): string | undefined => {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** Whether the bytes contain controls other than whitespace and escape, which no one-byte text has. */
const hasControlBytes = (bytes: Uint8Array): boolean =>
  bytes.some((byte) => byte === 0x7f || (byte < 0x20 && (byte < 8 || byte > 13) && byte !== 0x1b))

const claimsText = (source: TextSource): boolean =>
  isTextType(source.contentType ?? '') || isTextType(contentTypeOf(`x.${extensionOf(source.name)}`))

const sniff = async (bytes: Uint8Array): Promise<{ ext: string; mime: string } | undefined> => {
  const found = await fileFormatOf(bytes)
  return found && (isTextType(found.mime) ? undefined : found)
}

/**
 * Decodes bytes by byte order mark, else by the declared charset, else as UTF-8; as Latin-1 only when the file is
 * declared as text. For anything else throws `parameter_invalid`, which names the format and the alternative.
 */
export const decodeFileText = async (bytes: Uint8Array, source: TextSource): Promise<DecodedText> => {
  const mark = byteOrderMark(bytes)
  if (mark === 'utf-32') throw refuse(source, 'UTF-32', 'Save it as UTF-8 and upload it again.')
  if (mark) {
    const text = decodeAs(bytes, mark)
    if (text !== undefined) return { text, encoding: mark, guessed: false }
  }

  const utf8 = decodeAs(bytes, 'utf-8')
  const format = await sniff(bytes)
  const controls = hasControlBytes(bytes)
  if (format && (utf8 === undefined || controls || printableFormats.test(utf8))) {
    throw refuse(source, ...describeFormat(format.ext, format.mime))
  }

  const charset = declaredCharset(source.contentType)
  const declared = charset && charset !== 'utf-8' && charset !== 'utf8' ? decodeAs(bytes, charset) : undefined
  if (declared !== undefined && charset && (!controls || charset.startsWith('utf-16'))) {
    return { text: declared, encoding: charset, guessed: false }
  }
  if (utf8 !== undefined && (!bytes.includes(0) || claimsText(source))) {
    return { text: utf8, encoding: 'utf-8', guessed: false }
  }
  if (utf8 === undefined && !controls && claimsText(source)) {
    return { text: new TextDecoder('windows-1252').decode(bytes), encoding: 'windows-1252', guessed: true }
  }
  throw refuse(
    source,
    'in an unknown format',
    'Save it as UTF-8 and upload it again, or pass it to a `runbook` step, whose agent can inspect it.',
  )
}
