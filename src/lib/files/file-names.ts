/** Makes file names from untrusted sources safe. */

const maxNameBytes = 255
const fallbackName = 'upload.bin'
const byteLength = (text: string): number => Buffer.byteLength(text)

// Control characters, lone surrogates, and marks that change the reading direction.
export const unwanted = /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/gu

/** The longest end of a text that fits into that many bytes. */
export const tailWithin = (text: string, bytes: number): string => {
  const characters = Array.from(text)
  let start = characters.length
  for (let used = 0; start > 0; start -= 1) {
    used += byteLength(characters[start - 1]!)
    if (used > bytes) break
  }
  return characters.slice(start).join('')
}

/** Stem and extension of a base name, the extension with its dot as written; a leading dot begins no extension. */
export const splitName = (base: string): [stem: string, extension: string] => {
  const dot = base.lastIndexOf('.')
  return dot > 0 && dot < base.length - 1 ? [base.slice(0, dot), base.slice(dot)] : [base, '']
}

/** Makes a safe path segment: no invisible characters, at most 255 bytes, never empty, `.` or `..`. */
export const sanitizeSegment = (segment: string): string => {
  const base = segment.replace(unwanted, '').trim()
  if (base === '' || base === '.' || base === '..') return fallbackName
  if (byteLength(base) <= maxNameBytes) return base
  const [stem, extension] = splitName(base)
  const kept = byteLength(extension) <= 32 ? extension : ''
  return `${tailWithin(stem, maxNameBytes - byteLength(kept)).trimStart() || 'file'}${kept}`
}

/** A name that is safe as the last segment of a storage path: no folders, nothing invisible, 255 bytes at most. */
export const sanitizeFileName = (name: string): string =>
  sanitizeSegment(name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1))

/** Sanitised names of one upload, in order. Equal names get `-1`, `-2`, … before the extension. */
export const distinctFileNames = (names: string[]): string[] => {
  const taken = new Set<string>()
  return names.map((name) => {
    const wanted = sanitizeFileName(name)
    const [stem, extension] = splitName(wanted)
    let given = wanted
    for (let count = 1; taken.has(given); count += 1) given = sanitizeFileName(`${stem}-${count}${extension}`)
    taken.add(given)
    return given
  })
}
