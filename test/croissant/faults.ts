import type { JsonObject } from '../../src/lib/json/json-object.ts'
import { at, drop, set } from './edit.ts'

type Document = JsonObject

/** A change that breaks a document, and the rule that must find it. */
export interface Fault {
  name: string
  rule: string
  apply(document: JsonObject): void
}

const fault = (rule: string, name: string, apply: (document: Document) => void): Fault => ({
  name: `${rule}: ${name}`,
  rule,
  apply: (document) => apply(document as Document),
})

const table = (d: Document) => at(d, 'distribution/0')
const archive = (d: Document) => at(d, 'distribution/1')
const images = (d: Document) => at(d, 'distribution/2')
const flowers = (d: Document) => at(d, 'recordSet/0')
const pictures = (d: Document) => at(d, 'recordSet/1')
const species = (d: Document) => at(d, 'recordSet/2')
const column = (d: Document) => at(flowers(d), 'field/0')
const latitude = (d: Document) => at(flowers(d), 'field/3/subField/0')

const notTexts = [5, -1.5, true, { a: 1 }, { '@id': 'images' }]
const texts: [string, (d: Document) => Document, string[]][] = [
  ['dataset', (d) => d, ['name', 'description', 'url', 'citeAs', 'keywords', 'sameAs', 'license', 'datePublished']],
  ['dataset dates', (d) => d, ['dateCreated', 'dateModified']],
  ['file', table, ['name', 'contentUrl', 'contentSize', 'encodingFormat', 'sha256', 'md5', 'sameAs', 'description']],
  ['archive', archive, ['contentUrl', 'encodingFormat', 'md5', 'name']],
  ['file set', images, ['includes', 'excludes', 'encodingFormat', 'name']],
  ['record set', flowers, ['name', 'description']],
  ['field', column, ['name', 'description', 'equivalentProperty', 'arrayShape']],
  ['sub-field', latitude, ['name', 'description']],
  ['extract', (d) => at(d, 'recordSet/0/field/0/source/extract'), ['column']],
  ['extract of a file', (d) => at(pictures(d), 'field/0/source/extract'), ['fileProperty']],
  ['transform', (d) => at(flowers(d), 'field/4/source/transform'), ['separator']],
]
const valueFaults = texts.flatMap(([name, part, keys]) =>
  keys.flatMap((key) =>
    notTexts.map((value) =>
      fault(typeof value === 'object' ? 'node-type' : 'value-type', `${name} ${key} ${JSON.stringify(value)}`, (d) => {
        set(part(d), `${key}`, structuredClone(value))
      }),
    ),
  ),
)

const flagFaults = ['true', 1, 0.5, 'no'].flatMap((value) => [
  fault('value-type', `repeated ${JSON.stringify(value)}`, (d) => set(column(d), 'repeated', value)),
  fault('value-type', `isArray ${JSON.stringify(value)}`, (d) => set(latitude(d), 'isArray', value)),
  fault('value-type', `readLines ${JSON.stringify(value)}`, (d) => {
    set(pictures(d), 'field/0/source/transform', { readLines: value, regex: '(a)' })
  }),
])

const typed: [string, (d: Document) => Document][] = [
  ['file', table],
  ['archive', archive],
  ['file set', images],
  ['record set', species],
  ['field', column],
  ['sub-field', latitude],
  ['creator', (d) => at(d, 'creator/0')],
]
const typeFaults = typed.flatMap(([name, part]) =>
  ['sc:Thing', 'cr:Nothing', 'Field', ['sc:Thing', 'cr:Field'], undefined, 'cr:Split'].map((type) =>
    fault('node-type', `type of ${name} ${JSON.stringify(type)}`, (d) => {
      if (type === undefined) drop(part(d), '@type')
      else set(part(d), '@type', type)
    }),
  ),
)

const missingFaults = [
  fault('required', 'encodingFormat of a file', (d) => drop(table(d), 'encodingFormat')),
  fault('required', 'empty encodingFormat', (d) => set(table(d), 'encodingFormat', '')),
  fault('required', 'contentUrl', (d) => drop(table(d), 'contentUrl')),
  fault('required', 'contentUrl of an archive', (d) => drop(archive(d), 'contentUrl')),
  fault('required', 'includes', (d) => drop(images(d), 'includes')),
  fault('required', 'empty includes', (d) => set(images(d), 'includes', [])),
  fault('required', 'encodingFormat of a file set', (d) => drop(images(d), 'encodingFormat')),
  fault('checksum', 'sha256', (d) => drop(table(d), 'sha256')),
  fault('checksum', 'md5', (d) => drop(archive(d), 'md5')),
  fault('checksum', 'sha256 null', (d) => set(table(d), 'sha256', null)),
  fault('dataset', 'no type', (d) => drop(d, '@type')),
  fault('dataset', 'another type', (d) => set(d, '@type', 'sc:Book')),
  fault('dataset', 'no vocabulary', (d) => drop(d, '@context/sc')),
  fault('node-type', 'no conformsTo', (d) => drop(d, 'conformsTo')),
  fault('node-type', 'conformsTo 0.8', (d) => set(d, 'conformsTo', 'http://mlcommons.org/croissant/0.8')),
]

const versionFaults = ['1.0', 'http://mlcommons.org/croissant/2.0', 'https://mlcommons.org/croissant/1.0', 1, true].map(
  (value) => fault('version', JSON.stringify(value), (d) => set(d, 'conformsTo', value)),
)

const dateFaults = [
  'yesterday',
  '31.05.2024',
  '2024-13-01',
  '2024-02-30',
  '2024-5-1',
  '2024-05-31T25:00',
  'May 2024',
].flatMap((value) =>
  ['datePublished', 'dateCreated'].map((key) => fault('date', `${key} ${value}`, (d) => set(d, `${key}`, value))),
)

const referenceFaults = ['nobody', 'Flowers.csv', 'flowers/none', 'https://example.com/x'].flatMap((id) => [
  fault('reference', `containedIn ${id}`, (d) => set(images(d), 'containedIn', { '@id': id })),
  fault('reference', `second containedIn ${id}`, (d) => {
    set(images(d), 'containedIn', [{ '@id': 'images.zip' }, { '@id': id }])
  }),
  fault('reference', `source ${id}`, (d) => set(column(d), 'source/fileObject/@id', id)),
  fault('reference', `source of a sub-field ${id}`, (d) => set(latitude(d), 'source/fileObject/@id', id)),
  fault('reference', `references ${id}`, (d) => set(flowers(d), 'field/2/references/field/@id', id)),
])

const sourceFaults = [
  fault('source-origin', 'none', (d) => drop(column(d), 'source/fileObject')),
  fault('source-origin', 'two', (d) => set(column(d), 'source/fileSet', { '@id': 'images' })),
  fault('source-origin', 'unknown key', (d) => {
    set(column(d), 'source', { distribution: { '@id': 'flowers.csv' }, extract: { column: 'id' } })
  }),
  fault('source-origin', 'references without origin', (d) => set(flowers(d), 'field/2/references', { format: 'x' })),
  fault('extract-one', 'two', (d) => set(column(d), 'source/extract/jsonPath', '$.a')),
  fault('extract-one', 'unknown', (d) => set(column(d), 'source/extract', { row: 'a' })),
  fault('extract-one', 'empty', (d) => set(column(d), 'source/extract/column', '')),
  fault('value-type', 'source as text', (d) => set(column(d), 'source', 'flowers.csv')),
  fault('node-type', 'source with a type', (d) => set(column(d), 'source/@type', 'cr:DataSource')),
  fault('value-type', 'extract as text', (d) => set(column(d), 'source/extract', 'id')),
  fault('transform-one', 'two', (d) => set(pictures(d), 'field/0/source/transform', { regex: 'a', separator: ',' })),
  fault('transform-empty', 'unknown', (d) => set(pictures(d), 'field/0/source/transform', { upper: true })),
  fault('transform-empty', 'false', (d) => set(pictures(d), 'field/0/source/transform', [{ readLines: false }])),
  fault('value-or-source', 'both', (d) => set(column(d), 'value', 5)),
  fault('cycle', 'own record set', (d) => set(column(d), 'source', { field: { '@id': 'flowers/petal' } })),
  fault('cycle', 'references itself', (d) => set(column(d), 'references', { field: { '@id': 'flowers/id' } })),
  fault('cycle', 'contained in itself', (d) => set(images(d), 'containedIn', { '@id': 'images' })),
  fault('join', 'two files', (d) => {
    set(flowers(d), 'field/4/source', { fileSet: { '@id': 'images' }, extract: { fileProperty: 'content' } })
  }),
  fault('join', 'no references', (d) => {
    set(flowers(d), 'field/2/source', { field: { '@id': 'species/name' } })
    drop(flowers(d), 'field/2/references')
  }),
  fault('source-required', 'nothing feeds', (d) => {
    for (const index of [0, 1]) drop(pictures(d), `field/${index}/source`)
  }),
  fault('source-missing', 'nothing feeds', (d) => {
    for (const index of [0, 1]) set(pictures(d), `field/${index}/source/fileSet`, { '@id': 'gone' })
  }),
]

const textFaults = [
  ...['names', 'Content', 'file name', 'line'].map((value) =>
    fault('file-property', value, (d) => set(pictures(d), 'field/1/source/extract/fileProperty', value)),
  ),
  ...['$.', '$[?(@.a)]', '$..', 'a b', '[0', '$.a[', '{a}', '$.a#', "$['a"].map((value) =>
    fault('json-path', value, (d) => set(column(d), 'source/extract', { jsonPath: value })),
  ),
  ...['a', '1,b', '1,,2', '1.5', '(1,2)', '1;2'].map((value) =>
    fault('array-shape', value, (d) => Object.assign(latitude(d), { arrayShape: value, isArray: true })),
  ),
  fault('array-shape', 'without isArray', (d) => set(column(d), 'arrayShape', '3')),
  fault('array-shape', 'isArray false', (d) => Object.assign(column(d), { arrayShape: '3', isArray: false })),
]

const dataTypeFaults = [
  undefined,
  'cr:Split',
  'sc:Enumeration',
  'sc:GeoShape',
  'wd:Q1',
  'sc:text',
  'cr:Int7',
  '',
].flatMap((type) =>
  [
    ['field', column] as const,
    ['sub-field', latitude] as const,
    ['inline', (d: Document) => at(species(d), 'field/0')] as const,
  ].map(([name, part]) =>
    fault('data-type', `${name} ${type}`, (d) => {
      if (type === undefined) drop(part(d), 'dataType')
      else set(part(d), 'dataType', type)
    }),
  ),
)

const dataFaults = [
  ...[[], {}, [1], [['a']], 5, [{ 'species/name': 'a', 'species/latin': 'b' }, 'x']].map((data) =>
    fault('data', JSON.stringify(data), (d) => set(species(d), 'data', data === 5 ? [5] : data)),
  ),
  fault('data-columns', 'missing', (d) => set(species(d), 'data/1', { 'species/name': 'x' })),
  fault('data-columns', 'additional', (d) => set(species(d), 'data/0/more', 1)),
  fault('data-columns', 'names', (d) => set(species(d), 'data', [{ name: 'a', latin: 'b' }])),
  fault('data-columns', 'not as JSON', (d) => set(d, '@context/data', 'cr:data')),
  fault('data-json', 'text', (d) => set(species(d), 'data', 'species')),
]

const idFaults = ['a b', ' a', 'a\t', 'a\nb', 'my table', 5, null, ['a']].flatMap((id) => [
  fault('id', `file ${JSON.stringify(id)}`, (d) => set(table(d), '@id', id)),
  fault('id', `field ${JSON.stringify(id)}`, (d) => set(column(d), '@id', id)),
  fault('id', `reference ${JSON.stringify(id)}`, (d) => set(images(d), 'containedIn/@id', id)),
])

const shapeFaults = [
  fault('context', 'a link', (d) => set(d, '@context', 'https://schema.org/')),
  fault('context', 'a link in a list', (d) => set(d, '@context', ['https://schema.org/', d['@context']])),
  fault('context', 'a number', (d) => set(d, '@context', 5)),
  fault('context', 'language', (d) => set(d, '@context/@language', 'not a language')),
  fault('empty-node', 'source', (d) => set(column(d), 'source', {})),
  fault('empty-node', 'extract', (d) => set(column(d), 'source/extract', {})),
  fault('empty-node', 'transform', (d) => set(pictures(d), 'field/0/source/transform', {})),
  fault('empty-node', 'creator', (d) => set(d, 'creator', {})),
  fault('duplicate-id', 'field in two record sets', (d) => set(pictures(d), 'field/2', { '@id': 'species/latin' })),
  fault('data-type', 'types are texts', (d) => set(d, '@context/dataType', 'cr:dataType')),
  fault('sub-field-cycle', 'in itself', (d) => set(latitude(d), 'subField', { '@id': 'flowers/place' })),
  fault('depth', 'deep', (d) => {
    let deep: unknown = 'end'
    for (let level = 0; level < 150; level++) deep = { deeper: deep }
    set(d, 'more', deep)
  }),
]

/** Changes that break the example document, each with the rule that the specification or the reference has for it. */
export const faults: readonly Fault[] = [
  ...valueFaults,
  ...flagFaults,
  ...typeFaults,
  ...missingFaults,
  ...versionFaults,
  ...dateFaults,
  ...referenceFaults,
  ...sourceFaults,
  ...textFaults,
  ...dataTypeFaults,
  ...dataFaults,
  ...idFaults,
  ...shapeFaults,
]
