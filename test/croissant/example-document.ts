import { recommendedContext } from '../../src/datasets/croissant/export.ts'
import type { JsonObject } from '../../src/lib/json/json-object.ts'

const hash = '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03'

const field = (id: string, rest: JsonObject): JsonObject => ({ '@type': 'cr:Field', '@id': id, name: id, ...rest })

const fromColumn = (column: string): JsonObject => ({
  source: { fileObject: { '@id': 'flowers.csv' }, extract: { column } },
})

const distribution = (): JsonObject[] => [
  {
    '@type': 'cr:FileObject',
    '@id': 'flowers.csv',
    name: 'flowers.csv',
    contentUrl: 'https://example.com/flowers.csv',
    contentSize: '4551 B',
    encodingFormat: 'text/csv',
    sha256: hash,
  },
  {
    '@type': 'cr:FileObject',
    '@id': 'images.zip',
    contentUrl: 'https://example.com/images.zip',
    encodingFormat: 'application/zip',
    md5: hash.slice(0, 32),
  },
  {
    '@type': 'cr:FileSet',
    '@id': 'images',
    containedIn: { '@id': 'images.zip' },
    includes: 'images/*.jpg',
    encodingFormat: 'image/jpeg',
  },
]

const imageRecords = (): JsonObject => ({
  '@type': 'cr:RecordSet',
  '@id': 'pictures',
  key: { '@id': 'pictures/name' },
  field: [
    field('pictures/name', {
      dataType: 'sc:Text',
      source: {
        fileSet: { '@id': 'images' },
        extract: { fileProperty: 'filename' },
        transform: [{ regex: '([^/]+)\\.jpg' }, { replace: '_/-' }],
      },
    }),
    field('pictures/content', {
      dataType: 'sc:ImageObject',
      source: { fileSet: { '@id': 'images' }, extract: { fileProperty: 'content' } },
    }),
  ],
})

const flowerRecords = (): JsonObject => ({
  '@type': 'cr:RecordSet',
  '@id': 'flowers',
  name: 'flowers',
  key: { '@id': 'flowers/id' },
  field: [
    field('flowers/id', { dataType: 'sc:Integer', ...fromColumn('id') }),
    field('flowers/petal', { dataType: ['cr:Float32', 'https://example.com/length'], ...fromColumn('petal') }),
    field('flowers/species', {
      dataType: 'sc:Text',
      ...fromColumn('species'),
      references: { field: { '@id': 'species/name' } },
    }),
    field('flowers/place', {
      subField: [
        field('flowers/place/lat', { dataType: 'sc:Float', ...fromColumn('lat') }),
        field('flowers/place/lon', { dataType: 'sc:Float', ...fromColumn('lon') }),
      ],
    }),
    field('flowers/tags', {
      dataType: 'sc:Text',
      repeated: true,
      source: { fileObject: { '@id': 'flowers.csv' }, extract: { column: 'tags' }, transform: { separator: '|' } },
    }),
  ],
})

const speciesRecords = (): JsonObject => ({
  '@type': 'cr:RecordSet',
  '@id': 'species',
  dataType: 'sc:Enumeration',
  key: { '@id': 'species/name' },
  field: [field('species/name', { dataType: 'sc:Text' }), field('species/latin', { dataType: 'sc:Text' })],
  data: [
    { 'species/name': 'setosa', 'species/latin': 'Iris setosa' },
    { 'species/name': 'virginica', 'species/latin': 'Iris virginica' },
  ],
})

/** The `@context` of the appendix of the specification of 1.1, with the terms of 1.0 that it leaves out. */
export const officialContext = (): JsonObject => ({
  ...recommendedContext(),
  '@vocab': 'http://schema.org/',
  annotation: 'cr:annotation',
  containedIn: 'cr:containedIn',
  sc: 'http://schema.org/',
  sdVersion: 'cr:sdVersion',
})

/** A valid document with a table, an archive of images, inline records, a join, sub-fields and transforms. */
export const exampleDocument = (version: '1.0' | '1.1' = '1.0'): JsonObject => ({
  '@context': recommendedContext(),
  '@type': 'sc:Dataset',
  '@id': 'iris',
  name: 'iris',
  description: 'Flowers and where they grow',
  conformsTo: `http://mlcommons.org/croissant/${version}`,
  url: 'https://example.com/iris',
  license: 'https://spdx.org/licenses/MIT.html',
  citeAs: '@misc{iris}',
  creator: [
    { '@type': 'sc:Person', name: 'Edgar Anderson' },
    { '@type': 'sc:Organization', name: 'Garden' },
  ],
  datePublished: '2024-05-31',
  version: '1.2.0',
  keywords: ['flowers', 'plants'],
  distribution: distribution(),
  recordSet: [flowerRecords(), imageRecords(), speciesRecords()],
})
