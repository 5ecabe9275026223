import { isObject, type JsonObject } from '../../src/lib/json/json-object.ts'
import { drop, set } from './edit.ts'

/** Changes that leave a document valid, and the place of a fault in it where it is. */
export const harmless: Record<string, (document: JsonObject) => void> = {
  'an unknown key': (d) => set(d, 'colour', 'blue'),
  'unknown keys with another prefix': (d) =>
    Object.assign(d, { 'dct:spatial': 'Kew', 'x:y': 5, 'https://example.com/p': true }),
  'keys without meaning': (d) => Object.assign(d, { '@foo': 1, nothing: null, none: [] }),
  'no citation': (d) => drop(d, 'citeAs'),
  'no license': (d) => drop(d, 'license'),
  'no version': (d) => drop(d, 'version'),
  'version as a number': (d) => set(d, 'version', 2),
  'version that is no semantic one': (d) => set(d, 'version', 'latest'),
  'license as a work': (d) => set(d, 'license', { '@type': 'sc:CreativeWork', name: 'MIT' }),
  'two licenses': (d) => set(d, 'license', ['MIT', 'Apache-2.0']),
  'one creator': (d) => set(d, 'creator', { '@type': 'Person', name: 'Ada', email: 'ada@example.com' }),
  'no creator': (d) => drop(d, 'creator'),
  'two conformances': (d) => set(d, 'conformsTo', [d.conformsTo, 'http://mlcommons.org/croissant/RAI/1.0'].flat()),
  'a second type': (d) => set(d, '@type', [d['@type'], 'https://example.com/Data'].flat().filter(Boolean)),
  'a date with time': (d) => set(d, 'dateModified', '2024-05-31T10:20:30+02:00'),
  'responsible AI': (d) => Object.assign(d, { 'rai:dataCollection': 'by hand', 'rai:dataBiases': ['a', 'b'] }),
  'keys in another order': (d) => {
    const entries = Object.entries(d).reverse()
    for (const [key] of entries) delete d[key]
    Object.assign(d, Object.fromEntries(entries))
  },
  'a wrong checksum': (d) => editFirst(d.distribution, (file) => ('sha256' in file ? { sha256: 'zz' } : {})),
  'more terms': (d) =>
    Object.assign(contextOf(d), { ex: 'https://example.com/', other: { '@id': 'ex:o', '@type': '@id' } }),
  'full names of terms': (d) => {
    if (Array.isArray(d.recordSet)) rename(d, 'recordSet', 'cr:recordSet')
    if (Array.isArray(d.distribution)) rename(d, 'distribution', 'https://schema.org/distribution')
  },
}

const contextOf = (d: JsonObject): JsonObject => (isObject(d['@context']) ? d['@context'] : {})

const editFirst = (list: unknown, edit: (one: JsonObject) => JsonObject): void => {
  const [first] = Array.isArray(list) ? list : []
  if (isObject(first) && typeof first.sha256 === 'string') Object.assign(first, edit(first))
}

const rename = (d: JsonObject, from: string, to: string): void => {
  d[to] = d[from]
  delete d[from]
}
