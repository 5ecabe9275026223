/** Versions of Croissant that a document may conform to. */
export type CroissantVersion = '0.8' | '1.0' | '1.1'

export const schemaOrg = 'https://schema.org/'
export const croissant = 'http://mlcommons.org/croissant/'
export const conformsTo = 'http://purl.org/dc/terms/conformsTo'

export const versionOfUri: Readonly<Record<string, CroissantVersion>> = {
  [`${croissant}0.8`]: '0.8',
  [`${croissant}1.0`]: '1.0',
  [`${croissant}1.1`]: '1.1',
}

/** The IRIs of a version: 0.8 has another namespace, and has files and keys among the terms of schema.org. */
export interface Vocabulary {
  version: CroissantVersion
  /** The IRI of a term of Croissant. */
  cr: (name: string) => string
  sc: (name: string) => string
  /** The IRI of a term that 0.8 has in schema.org and later versions have in Croissant. */
  moved: (name: string) => string
}

export const vocabularyOf = (version: CroissantVersion): Vocabulary => {
  const cr = (name: string) => `${version === '0.8' ? 'http://mlcommons.org/schema/' : croissant}${name}`
  const sc = (name: string) => `${schemaOrg}${name}`
  return { version, cr, sc, moved: version === '0.8' ? sc : cr }
}

const simpleTypes = 'Boolean Date DateTime Float Integer Text Time URL AudioObject ImageObject VideoObject'
const croissantTypes = 'BoundingBox Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float16 Float32 Float64'

/** Data types that say how a value is read. Other types may stand beside one of them, and add a meaning. */
export const readableTypes: ReadonlySet<string> = new Set([
  ...simpleTypes.split(' ').map((name) => `${schemaOrg}${name}`),
  ...croissantTypes.split(' ').map((name) => `${croissant}${name}`),
])
