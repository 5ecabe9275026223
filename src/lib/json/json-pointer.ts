/** Writes the JSON Pointer (RFC 6901) of a path: member names and indices from the root. */
export const jsonPointer = (place: readonly (string | number)[]): string =>
  place.map((name) => `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
