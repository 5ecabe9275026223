/** Extension (no dot) to content type. Where a type has several extensions, the first one is the one we write. */
const contentTypes: Record<string, string> = {
  txt: 'text/plain',
  text: 'text/plain',
  log: 'text/plain',
  md: 'text/markdown',
  markdown: 'text/markdown',
  html: 'text/html',
  htm: 'text/html',
  css: 'text/css',
  csv: 'text/csv',
  tsv: 'text/tab-separated-values',
  xml: 'application/xml',
  json: 'application/json',
  jsonl: 'application/jsonl',
  ndjson: 'application/x-ndjson',
  yaml: 'application/yaml',
  yml: 'application/yaml',
  toml: 'application/toml',
  js: 'text/javascript',
  mjs: 'text/javascript',
  ts: 'text/x-typescript',
  py: 'text/x-python',
  sh: 'application/x-sh',
  sql: 'application/sql',
  ipynb: 'application/x-ipynb+json',
  pdf: 'application/pdf',
  rtf: 'application/rtf',
  doc: 'application/msword',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  xls: 'application/vnd.ms-excel',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  ppt: 'application/vnd.ms-powerpoint',
  pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  odt: 'application/vnd.oasis.opendocument.text',
  epub: 'application/epub+zip',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  heic: 'image/heic',
  bmp: 'image/bmp',
  tif: 'image/tiff',
  tiff: 'image/tiff',
  svg: 'image/svg+xml',
  ico: 'image/x-icon',
  mp4: 'video/mp4',
  m4v: 'video/x-m4v',
  mov: 'video/quicktime',
  webm: 'video/webm',
  mkv: 'video/x-matroska',
  avi: 'video/x-msvideo',
  mp3: 'audio/mpeg',
  wav: 'audio/wav',
  m4a: 'audio/mp4',
  aac: 'audio/aac',
  ogg: 'audio/ogg',
  opus: 'audio/opus',
  flac: 'audio/flac',
  zip: 'application/zip',
  gz: 'application/gzip',
  tgz: 'application/gzip',
  tar: 'application/x-tar',
  bz2: 'application/x-bzip2',
  xz: 'application/x-xz',
  '7z': 'application/x-7z-compressed',
  parquet: 'application/vnd.apache.parquet',
  sqlite: 'application/vnd.sqlite3',
  wasm: 'application/wasm',
}

const extensions = new Map(
  Object.entries(contentTypes)
    .reverse()
    .map(([extension, type]) => [type, extension]),
)
const otherNames: Record<string, string> = {
  'image/jpg': 'jpg',
  'image/vnd.microsoft.icon': 'ico',
  'audio/mp3': 'mp3',
  'audio/x-wav': 'wav',
  'text/xml': 'xml',
  'text/yaml': 'yaml',
  'application/x-yaml': 'yaml',
  'application/javascript': 'js',
}

/** The extension of a file name or path, in lower case and without the dot; '' without one. */
export const extensionOf = (name: string): string => {
  const base = name.slice(name.lastIndexOf('/') + 1)
  const dot = base.lastIndexOf('.')
  return dot > 0 ? base.slice(dot + 1).toLowerCase() : ''
}

/** The content type for a name by its extension; `application/octet-stream` for an unknown one. */
export const contentTypeOf = (name: string): string => {
  const extension = extensionOf(name)
  return Object.hasOwn(contentTypes, extension) ? contentTypes[extension]! : 'application/octet-stream'
}

/** The media type in lower case, without its parameters. */
export const essenceOf = (contentType: string): string => contentType.split(';', 1)[0]!.trim().toLowerCase()

/** The usual extension of a content type (no dot), or undefined for a type that is not in the table. */
export const extensionFor = (contentType: string): string | undefined => {
  const type = essenceOf(contentType)
  return extensions.get(type) ?? (Object.hasOwn(otherNames, type) ? otherNames[type] : undefined)
}

const textTypes =
  /^(text\/.+|application\/(json|jsonl|x-ndjson|xml|yaml|x-yaml|toml|javascript|sql|x-sh|.+\+(json|xml)))$/

/** Whether a content type is text, judged by its name. */
export const isTextType = (contentType: string): boolean => {
  const type = essenceOf(contentType)
  return textTypes.test(type) || type === 'image/svg+xml'
}

/** Whether a file is text, by its type and by how its bytes begin. */
export const isTextFile = (contentType: string, beginning: Uint8Array): boolean => {
  if (beginning.includes(0)) return false
  if (isTextType(contentType)) return true
  if (essenceOf(contentType) !== 'application/octet-stream') return false
  return !new TextDecoder('utf-8').decode(beginning, { stream: true }).includes('\uFFFD')
}
