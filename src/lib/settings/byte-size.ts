const units = ['KiB', 'MiB', 'GiB', 'TiB']
const factors = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 }

/** Formats a number of bytes: `512 bytes`, `1.5 MiB`, `1 GiB`. */
export const byteSize = (bytes: number): string => {
  if (bytes < 1024) return `${bytes} byte${bytes === 1 ? '' : 's'}`
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), units.length)
  return `${Math.round((bytes / 1024 ** power) * 10) / 10} ${units[power - 1]}`
}

/** Parses bytes such as `1048576`, `1MiB`, `1 MB`, `1m`: always powers of 1024. Undefined for anything else, and for 0. */
export const parsedBytes = (text: string): number | undefined => {
  const [, digits, unit = ''] = /^(\d+)\s*(?:([kmgt])?(?:i?b)?)$/i.exec(text) ?? []
  if (!digits) return undefined
  const number = Number(digits) * factors[unit.toLowerCase() as keyof typeof factors]
  return number > 0 && Number.isSafeInteger(number) ? number : undefined
}
