import type { CroissantVersion } from '../../src/datasets/croissant/check.ts'
import { recommendedContext } from '../../src/datasets/croissant/export.ts'
import type { JsonObject } from '../../src/lib/json/json-object.ts'
import { at, drop, set } from './edit.ts'
import { exampleDocument, officialContext } from './example-document.ts'
import { faults } from './faults.ts'
import { harmless } from './harmless.ts'

/** A document and what the reference implementation (mlcroissant 1.1.0), or else the specification, says about it. */
interface Verdict {
  name: string
  document: JsonObject
  valid: boolean
  /** A rule that must find the fault. */
  rule?: string
  /** A rule that must advise against something in the document. */
  warning?: string
  /** Where the verdict comes from: a rule, an example of the specification, or a behaviour of the reference. */
  why: string
}

type Version = Exclude<CroissantVersion, '0.8'>

const hash = 'd41d8cd98f00b204e9800998ecf8427e'.repeat(2)

const archive = (id = 'films.zip', rest: JsonObject = {}): JsonObject => ({
  ...{ '@type': 'cr:FileObject', '@id': id, contentUrl: `https://example.com/${id}`, sha256: hash },
  encodingFormat: 'application/zip',
  ...rest,
})

const member = (id: string, inside: unknown, rest: JsonObject = {}): JsonObject => ({
  ...{ '@type': 'cr:FileObject', '@id': id, contentUrl: `${id}.csv`, containedIn: inside, encodingFormat: 'text/csv' },
  ...rest,
})

const fileSet = (id: string, inside: unknown, rest: JsonObject = {}): JsonObject => ({
  ...{ '@type': 'cr:FileSet', '@id': id, containedIn: inside, encodingFormat: 'image/jpeg', includes: '*.jpg' },
  ...rest,
})

const field = (id: string, rest: JsonObject): JsonObject => ({
  ...{ '@type': 'cr:Field', '@id': id, dataType: 'sc:Text' },
  ...rest,
})

const column = (file: string, name: string): JsonObject => ({
  source: { fileObject: { '@id': file }, extract: { column: name } },
})

const recordSet = (id: string, fields: JsonObject[], rest: JsonObject = {}): JsonObject => ({
  ...{ '@type': 'cr:RecordSet', '@id': id, field: fields },
  ...rest,
})

const dataset = (version: Version, distribution: JsonObject[], rest: JsonObject = {}): JsonObject => ({
  '@context': version === '1.1' ? officialContext() : recommendedContext(),
  '@type': 'sc:Dataset',
  name: 'films',
  conformsTo: `http://mlcommons.org/croissant/${version}`,
  distribution,
  ...rest,
})

const zip = { '@id': 'films.zip' }
const both: Version[] = ['1.0', '1.1']

/** One row for each of some versions. */
const rows = (versions: Version[], name: string, valid: boolean, why: string, of: (version: Version) => JsonObject) =>
  versions.map((version): Verdict => ({ name: `${version}: ${name}`, document: of(version), valid, why }))

const withField = (version: Version, one: JsonObject, rest: JsonObject = {}): JsonObject =>
  dataset(version, [archive('t.csv')], { recordSet: [recordSet('r', [one], rest)] })

/** Shapes of the examples in the specification of 1.1. */
const examples = (): Verdict[] => [
  ...rows(both, 'tables in an archive', true, 'spec: ratings-table and movies-table in ml-25m.zip', (version) =>
    dataset(version, [archive(), member('ratings', zip), member('movies', zip)]),
  ),
  ...rows(both, 'sets and files in one archive', true, 'spec: files-dev and metadata-dev of flores200', (version) =>
    dataset(version, [
      archive(),
      fileSet('dev', zip),
      fileSet('test', zip),
      member('about', zip, { description: 'labels' }),
    ]),
  ),
  ...rows(
    ['1.1'],
    'files of a manifest',
    true,
    'reference: its dataset commoncrawl has such a data source',
    (version) => {
      const source = { fileObject: zip, transform: { unArchive: true, readLines: true } }
      return dataset(version, [archive(), fileSet('pages', source)])
    },
  ),
  ...rows(['1.1'], 'files of a manifest without a checksum', false, 'rule: a file needs md5 or sha256', (version) => {
    const source = { fileObject: zip, transform: { unArchive: true, readLines: true } }
    return dataset(version, [archive('films.zip', { sha256: undefined }), fileSet('pages', source)])
  }),
  ...rows(['1.1'], 'files of a manifest that is nowhere', false, 'rule: references point to nodes', (version) =>
    dataset(version, [archive(), fileSet('pages', { fileObject: { '@id': 'gone' }, transform: { readLines: true } })]),
  ),
  ...rows(both, 'a constant beside columns', true, 'spec: ratings/rating_scale', (version) =>
    dataset(version, [archive('t.csv')], {
      recordSet: [recordSet('r', [field('r/a', column('t.csv', 'a')), field('r/scale', { value: '1-5 stars' })])],
    }),
  ),
  ...rows(both, 'an enumeration with its records', true, 'spec: gender_enum', (version) =>
    dataset(version, [], {
      recordSet: [
        recordSet('sex', [field('sex/id', { dataType: 'sc:Integer' }), field('sex/label', {})], {
          data: [{ 'sex/id': 0, 'sex/label': 'Male' }],
        }),
      ],
    }),
  ),
  ...rows(both, 'sub-fields of coordinates', true, 'spec: gps_coordinates', (version) =>
    withField(version, {
      ...field('gps', { dataType: 'sc:GeoCoordinates' }),
      subField: [
        field('gps/lat', { dataType: 'sc:Float', ...column('t.csv', 'lat') }),
        field('gps/lon', { dataType: 'sc:Float', ...column('t.csv', 'lon') }),
      ],
    }),
  ),
  ...rows(['1.1'], 'annotations', true, 'reference: it does not read them (#901 is open)', (version) =>
    withField(version, {
      ...field('r/a', column('t.csv', 'a')),
      annotation: { '@type': 'cr:Field', '@id': 'r/a/mean' },
    }),
  ),
  ...rows(both, 'other vocabularies', true, 'spec: prov:wasDerivedFrom', (version) =>
    dataset(version, [archive('t.csv', { 'prov:wasDerivedFrom': 'https://example.com/source' })], {
      'prov:wasGeneratedBy': { '@type': 'prov:Activity', 'prov:startedAtTime': '2023-01-01T00:00:00Z' },
    }),
  ),
  ...rows(
    both,
    'a live dataset without checksums',
    true,
    'rule: only datasets that are not live need them',
    (version) => dataset(version, [archive('t.csv', { sha256: undefined })], { isLiveDataset: true }),
  ),
  ...rows(['1.1'], 'a name in two languages', true, 'reference: its document multilingual_fields', (version) => {
    const context = { ...officialContext(), name: { '@container': '@language' } }
    return dataset(version, [], { '@context': context, name: { en: 'Films', fr: 'Cinéma' } })
  }),
]

const listed = (version: Version, key: string, values: string[]): JsonObject => {
  const document = exampleDocument(version)
  set(at(document, 'distribution/2'), key, values)
  return document
}

const shapesOfFiles = (): Verdict[] => [
  ...['includes', 'encodingFormat'].flatMap((key): Verdict[] => [
    {
      name: `1.1: two values of ${key}`,
      document: listed('1.1', key, ['a', 'b']),
      valid: true,
      why: `spec: ${key} is MANY in 1.1, and the reference loads such a set that several fields read (#830)`,
    },
    {
      name: `1.0: two values of ${key}`,
      document: listed('1.0', key, ['a', 'b']),
      valid: true,
      warning: 'cardinality',
      why: `reference: ${key} is ONE in 1.0, and a list is a warning`,
    },
    ...rows(both, `no value of ${key}`, false, `rule: ${key} is required`, (version) => listed(version, key, [])),
  ]),
  ...rows(both, 'two places with the same file', true, 'rule: sameAs is MANY', (version) => {
    const document = exampleDocument(version)
    set(document, 'distribution/0/sameAs', ['https://a.example', 'https://b.example'])
    return document
  }),
  ...rows(both, 'in two archives', true, 'spec: containedIn is MANY', (version) =>
    dataset(version, [archive(), archive('b.zip'), fileSet('all', [zip, { '@id': 'b.zip' }])]),
  ),
  ...rows(both, 'in one archive, said twice', true, 'rule: a repeated statement is one statement in RDF', (version) =>
    dataset(version, [archive(), fileSet('all', [zip, zip])]),
  ),
  ...rows(both, 'in itself', false, 'reference: it follows the circle until it fails', (version) =>
    dataset(version, [fileSet('all', { '@id': 'all' })]),
  ),
  ...rows(both, 'in each other', false, 'reference: it follows the circle until it fails', (version) =>
    dataset(version, [member('a', { '@id': 'b' }), member('b', { '@id': 'a' })]),
  ),
  ...rows(both, 'in a circle of three', false, 'reference: it follows the circle until it fails', (version) =>
    dataset(
      version,
      ['a', 'b', 'c'].map((id, at) => member(id, { '@id': ['b', 'c', 'a'][at] })),
    ),
  ),
  ...rows(both, 'in a chain of archives', true, 'reference: nested file objects (#268)', (version) =>
    dataset(version, [archive(), member('inner', zip), member('table', { '@id': 'inner' })]),
  ),
  ...rows(both, 'in nothing', false, 'rule: references point to nodes', (version) =>
    dataset(version, [archive(), member('table', { '@id': 'other.zip' })]),
  ),
]

const withoutValueTerm = (document: JsonObject): JsonObject => {
  drop(document, '@context/value')
  return document
}

const constants = (): Verdict[] => [
  ...rows(
    both,
    'a constant without a term for it',
    true,
    'reference: recorded earlier, it reads the value of schema.org',
    (version) => withoutValueTerm(withField(version, field('r/a', { value: 'x' }))),
  ),
  ...rows(both, 'a constant and a source without a term for it', false, 'rule: a source or a value', (version) =>
    withoutValueTerm(withField(version, { ...field('r/a', column('t.csv', 'a')), value: 'x' })),
  ),
  ...rows(both, 'neither a constant nor a source', false, 'rule: a source or a value', (version) =>
    withField(version, field('r/a', {})),
  ),
]

const schemaOrg = (): Verdict[] =>
  both.flatMap((version) =>
    ['https://schema.org/', 'http://schema.org/'].flatMap((vocabulary) => {
      const terms = { ...recommendedContext(), '@vocab': vocabulary, sc: vocabulary }
      const why = `spec: the context of 1.1 has http, that of 1.0 has https; they name one vocabulary`
      const one = (name: string, edit: (document: JsonObject) => void): Verdict => {
        const document = { ...exampleDocument(version), '@context': { ...terms } }
        edit(document)
        return { name: `${version}: ${name} with ${vocabulary}`, document, valid: true, why }
      }
      return [
        one('all terms', () => undefined),
        one('type of the dataset', (d) => set(d, '@type', `${vocabulary}Dataset`)),
        one('short type of the dataset', (d) => set(d, '@type', 'Dataset')),
        one('data type', (d) =>
          set(d, 'recordSet/0/field/0/dataType', [`${vocabulary}URL`, 'http://www.wikidata.org/entity/Q515']),
        ),
        one('full name of a key', (d) => {
          d[`${vocabulary}distribution`] = d.distribution
          delete d.distribution
        }),
        one('a vocabulary beside the prefix', (d) => set(d, '@context/sc', 'https://schema.org/')),
        one('a prefix beside the vocabulary', (d) => set(d, '@context/@vocab', 'https://schema.org/')),
      ]
    }),
  )

const contexts: [name: string, versions: Version[], context: () => JsonObject][] = [
  ['recommended context', both, recommendedContext],
  ['official context', ['1.1'], officialContext],
]

/** The example document with each known fault and each harmless change, in each version and context. */
const changed = (): Verdict[] =>
  contexts.flatMap(([context, versions, contextOf]) =>
    versions.flatMap((version) => {
      const base = () => ({ ...exampleDocument(version), '@context': contextOf() })
      const edited = (edit: (document: JsonObject) => void) => {
        const document = base()
        edit(document)
        return document
      }
      const place = `${version}, ${context}`
      return [
        { name: `${place}: example`, document: base(), valid: true, why: 'rule: no rule forbids it' },
        ...Object.entries(harmless).map(([name, edit]) => ({
          ...{ name: `${place}: ${name}`, document: edited(edit), valid: true },
          why: 'rule: no rule forbids it',
        })),
        ...faults.map((fault) => ({
          ...{ name: `${place}: ${fault.name}`, document: edited(fault.apply), valid: false },
          ...{ rule: fault.rule, why: `rule: ${fault.rule}` },
        })),
      ]
    }),
  )

/** Every document whose verdict is known. */
export const verdicts = (): Verdict[] => [
  ...examples(),
  ...shapesOfFiles(),
  ...constants(),
  ...schemaOrg(),
  ...changed(),
]
