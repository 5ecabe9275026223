const units = ['KiB', 'MiB', 'GiB', 'TiB']

/** Formats a number of bytes: `512 bytes`, `1.5 MiB`, `1 GiB`. */
export const byteSize = (bytes: number): string => {
  if (bytes < 1024) return `${bytes} byte${bytes === 1 ? '' : 's'}`
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), units.length)
  return `${Math.round((bytes / 1024 ** power) * 10) / 10} ${units[power - 1]}`
}
