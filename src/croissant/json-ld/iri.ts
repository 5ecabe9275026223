/** The base of relative ids in a document that names none. Messages and data show ids without it. */
export const defaultBase = 'https://croissant.invalid/'

/** The scheme of an IRI, such as `https` or `urn`; undefined for a relative one. */
const schemeOf = (iri: string): string | undefined => /^([a-z][a-z0-9+.-]*):/i.exec(iri)?.[1]

/** Removes `.`, `..` and empty segments from a path, and keeps a slash at its end. */
const normalPath = (path: string): string => {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  const end = path.endsWith('/') && kept.length > 0 ? '/' : ''
  return `${path.startsWith('/') ? '/' : ''}${kept.join('/')}${end}`
}

/** Splits a base into scheme with host, and path. */
const splitBase = (base: string): [origin: string, path: string] => {
  const found = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)([^?#]*)/i.exec(base)
  return found ? [found[1] ?? '', found[2] ?? ''] : ['', base]
}

/** Resolves an id against a base. Absolute ids stay as they are. */
export const resolveIri = (base: string, iri: string): string => {
  if (iri.includes('://') || schemeOf(iri)) return iri
  const [origin, basePath] = splitBase(base)
  const tail = iri.search(/[?#]/)
  const path = tail < 0 ? iri : iri.slice(0, tail)
  const rest = tail < 0 ? '' : iri.slice(tail)
  const joined = path === '' ? basePath : path.startsWith('/') ? path : basePath.replace(/[^/]*$/, '') + path
  return `${origin}${normalPath(joined.startsWith('/') || origin === '' ? joined : `/${joined}`)}${rest}`
}

/** An id as its author wrote it: without the base of the document. */
export const shortId = (base: string, iri: string): string => (iri.startsWith(base) ? iri.slice(base.length) : iri)
