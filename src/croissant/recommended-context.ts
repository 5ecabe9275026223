import type { JsonObject } from '../lib/json/json-object.ts'

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
