import type { JsonObject } from '../../lib/json/json-object.ts'

const terms =
  'arrayShape citeAs column equivalentProperty excludes extract field fileObject fileProperty fileSet format includes ' +
  'isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace separator source ' +
  'subField transform value readLines samplingRate unArchive'

/** The `@context` of documents that the server writes: it maps the keys of Croissant 1.1 to their IRIs. */
export const recommendedContext = (): JsonObject => ({
  '@language': 'en',
  '@vocab': 'https://schema.org/',
  ...Object.fromEntries(terms.split(' ').map((term) => [term, `cr:${term}`])),
  conformsTo: 'dct:conformsTo',
  cr: 'http://mlcommons.org/croissant/',
  data: { '@id': 'cr:data', '@type': '@json' },
  dataType: { '@id': 'cr:dataType', '@type': '@vocab' },
  dct: 'http://purl.org/dc/terms/',
  examples: { '@id': 'cr:examples', '@type': '@json' },
  rai: 'http://mlcommons.org/croissant/RAI/',
  sc: 'https://schema.org/',
})

export type ColumnType = 'text' | 'integer' | 'number' | 'boolean' | 'date' | 'datetime'

/** A file of a dataset, to be described. */
interface DescribedFile {
  /** Name of the file, unique in the dataset. */
  name: string
  url: string
  /** Media type, such as `text/csv`. */
  mediaType: string
  bytes: number
  sha256: string
  description?: string | undefined
  /** Columns of a table; without them the file has no record set. */
  columns?: readonly { name: string; type: ColumnType }[] | undefined
}

/** A dataset to be described. */
interface DescribedDataset {
  name: string
  url: string
  description?: string | undefined
  license?: string | undefined
  version?: string | undefined
  citeAs?: string | undefined
  creator?: string | undefined
  published?: Date | undefined
  keywords?: readonly string[] | undefined
  files: readonly DescribedFile[]
}

const dataTypes: Record<ColumnType, string> = {
  text: 'sc:Text',
  integer: 'sc:Integer',
  number: 'sc:Float',
  boolean: 'sc:Boolean',
  date: 'sc:Date',
  datetime: 'sc:DateTime',
}

/** Makes ids from names: they have no spaces and nothing that could be taken for a path or an IRI, and are unique. */
const makeIds = () => {
  const taken = new Set<string>()
  return (name: string, inside = ''): string => {
    const plain = name.replace(/[^\p{L}\p{N}._-]+/gu, '_').replace(/^[._]+$/, '') || 'unnamed'
    for (let count = 1; ; count++) {
      const id = `${inside}${plain}${count === 1 ? '' : `-${count}`}`
      if (taken.has(id)) continue
      taken.add(id)
      return id
    }
  }
}

const present = (members: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined && value !== ''))

/** Writes the description of a dataset as a Croissant 1.1 document that is valid. */
export const exportCroissant = (dataset: DescribedDataset): JsonObject => {
  const makeId = makeIds()
  const files = dataset.files.map((file) => ({ file, id: makeId(file.name) }))
  const recordSets = files.flatMap(({ file, id }) =>
    file.columns && file.columns.length > 0 ? [recordSetOf(file, id, makeId)] : [],
  )
  return present({
    '@context': recommendedContext(),
    '@type': 'sc:Dataset',
    name: dataset.name,
    description: dataset.description,
    conformsTo: 'http://mlcommons.org/croissant/1.1',
    url: dataset.url,
    license: dataset.license,
    version: dataset.version,
    citeAs: dataset.citeAs,
    creator: dataset.creator ? { '@type': 'sc:Organization', name: dataset.creator } : undefined,
    datePublished: dataset.published?.toISOString().slice(0, 10),
    keywords: dataset.keywords && dataset.keywords.length > 0 ? [...dataset.keywords] : undefined,
    distribution: files.map(({ file, id }) => fileObjectOf(file, id)),
    recordSet: recordSets.length > 0 ? recordSets : undefined,
  })
}

const fileObjectOf = (file: DescribedFile, id: string): JsonObject =>
  present({
    '@type': 'cr:FileObject',
    '@id': id,
    name: file.name,
    description: file.description,
    contentUrl: file.url,
    contentSize: `${file.bytes} B`,
    encodingFormat: file.mediaType || 'application/octet-stream',
    sha256: file.sha256,
  })

const recordSetOf = (file: DescribedFile, fileId: string, makeId: ReturnType<typeof makeIds>): JsonObject => {
  const id = makeId(`${fileId}-records`)
  return {
    '@type': 'cr:RecordSet',
    '@id': id,
    name: id,
    field: (file.columns ?? []).map(({ name, type }) => ({
      '@type': 'cr:Field',
      '@id': makeId(name, `${id}/`),
      name,
      dataType: dataTypes[type],
      source: { fileObject: { '@id': fileId }, extract: extractOf(file.mediaType, name) },
    })),
  }
}

/** A JSON file is read by path, all others by column. A column without a name has the one that readers invent. */
const extractOf = (mediaType: string, name: string): JsonObject => {
  if (mediaType !== 'application/json') return { column: name || 'Unnamed: 0' }
  return { jsonPath: `$[*]['${name.replace(/[\\']/g, '\\$&').replaceAll('\n', ' ')}']` }
}
