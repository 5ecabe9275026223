/** How a file is shown. `file`: only as a download, since a browser would execute it or cannot show it. */
type ShownAs = 'image' | 'audio' | 'video' | 'pdf' | 'csv' | 'json' | 'markdown' | 'text' | 'file'

/** A stored file that a value names. */
export interface NamedFile {
  /** Storage path. */
  path: string
  name: string
  contentType: string | undefined
  /** Bytes. */
  size: number | undefined
  kind: ShownAs
}

const byType: [RegExp, ShownAs][] = [
  [/^image\/(png|jpeg|gif|webp|avif|bmp)$/, 'image'],
  [/^audio\//, 'audio'],
  [/^video\//, 'video'],
  [/^application\/pdf$/, 'pdf'],
  [/^text\/csv$/, 'csv'],
  [/^application\/(json|x-ndjson)$/, 'json'],
  [/^text\/markdown$/, 'markdown'],
  [/^text\/(plain|x-.*|tab-separated-values|yaml)$/, 'text'],
]

const byExtension: Record<string, ShownAs> = {
  ...{ png: 'image', jpg: 'image', jpeg: 'image', gif: 'image', webp: 'image', avif: 'image', bmp: 'image' },
  ...{ mp3: 'audio', wav: 'audio', ogg: 'audio', flac: 'audio', m4a: 'audio', opus: 'audio' },
  ...{ mp4: 'video', webm: 'video', mov: 'video', m4v: 'video' },
  ...{ pdf: 'pdf', csv: 'csv', json: 'json', jsonl: 'json', md: 'markdown' },
  ...{ txt: 'text', log: 'text', yaml: 'text', yml: 'text', tsv: 'text', py: 'text', sql: 'text', toml: 'text' },
}

const extensionOf = (name: string): string => /\.([A-Za-z0-9]{1,8})$/.exec(name)?.[1]?.toLowerCase() ?? ''

/** How a file is shown, by its content type, or by its name where the type says nothing. */
export const shownAs = (name: string, contentType?: string): ShownAs => {
  const type = (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (type !== '' && type !== 'application/octet-stream') {
    return byType.find(([pattern]) => pattern.test(type))?.[1] ?? 'file'
  }
  const extension = extensionOf(name)
  return Object.hasOwn(byExtension, extension) ? byExtension[extension]! : 'file'
}

/** A storage path begins with the collection and has a file name at its end. */
const isStoragePath = (text: string, collection: string): boolean =>
  text.length < 1_024 && text.startsWith(`${collection}/`) && !text.includes('\n') && extensionOf(text) !== ''

const fileOf = (value: unknown, collection: string): NamedFile | undefined => {
  if (typeof value === 'string') {
    if (!isStoragePath(value, collection)) return undefined
    const name = value.slice(value.lastIndexOf('/') + 1)
    return { path: value, name, contentType: undefined, size: undefined, kind: shownAs(name) }
  }
  const { path, name, content_type: type, size } = value as Record<string, unknown>
  if (typeof path !== 'string' || !path.startsWith(`${collection}/`)) return undefined
  const shown = typeof name === 'string' ? name : path.slice(path.lastIndexOf('/') + 1)
  const contentType = typeof type === 'string' ? type : undefined
  const bytes = typeof size === 'number' ? size : undefined
  return { path, name: shown, contentType, size: bytes, kind: shownAs(shown, contentType) }
}

const mostValues = 20_000

/** The stored files of a collection that a value names, each once, in order, at most `most`. */
export const filesNamedIn = (value: unknown, collection: string, most = 100): NamedFile[] => {
  const found = new Map<string, NamedFile>()
  const waiting: unknown[] = [value]
  for (let seen = 0; waiting.length > 0 && seen < mostValues && found.size < most; seen++) {
    const one = waiting.pop()
    if (typeof one === 'string') addFile(found, fileOf(one, collection))
    if (typeof one !== 'object' || one === null) continue
    addFile(found, fileOf(one, collection))
    waiting.push(...Object.values(one).slice(0, mostValues).reverse())
  }
  return [...found.values()]
}

const addFile = (found: Map<string, NamedFile>, file: NamedFile | undefined): void => {
  if (file && !found.has(file.path)) found.set(file.path, file)
}

/** Address under which the server serves a stored file. `inline`: shown in the page, where its type is safe. */
export const fileAddress = (path: string, inline: boolean): string =>
  `/api/v1/file/${path.split('/').map(encodeURIComponent).join('/')}${inline ? '?inline=1' : ''}`
