import { closeSync, constants, lstatSync, opendirSync, openSync, type Stats } from 'node:fs'

/** Entries of a tree that are looked at here; a program of the system is faster with more, and does not hold up the server. */
const most = 100

/** Folders within each other; each is open while its content is looked at. */
const mostFolders = 10

const notSmall = () => new RangeError('the tree is not small')

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants

/** Names in a folder as bytes. Throws when there are more than `left`. */
const namesIn = (folder: string, left: number): Buffer[] => {
  const names: Buffer[] = []
  // The types do not know that this encoding makes names bytes.
  const entries = opendirSync(folder, { encoding: 'buffer' as BufferEncoding, bufferSize: most })
  try {
    for (let entry = entries.readSync(); entry; entry = entries.readSync()) {
      if (names.length === left) throw notSmall()
      names.push(entry.name as unknown as Buffer)
    }
  } finally {
    entries.closeSync()
  }
  return names
}

interface Found {
  path: Buffer
  stats: Stats
}

/**
 * Yields what stands in a small folder, each folder after what it holds. It follows no link: paths lead through open
 * folders, so that swapping one has no effect, and are good until the next one is asked for. Throws when there is more, or
 * something cannot be opened. A detour over the threads of the pool would take many times as long for each.
 */
export function* smallTree(root: string): Generator<Found, void> {
  let left = most
  function* within(path: Buffer | string, depth: number): Generator<Found, void> {
    if (depth > mostFolders) throw notSmall()
    const folder = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    try {
      const base = `/proc/self/fd/${folder}/`
      const names = namesIn(base, left)
      left -= names.length
      for (const name of names) {
        const one = Buffer.concat([Buffer.from(base), name])
        const stats = lstatSync(one)
        if (stats.isDirectory()) yield* within(one, depth + 1)
        yield { path: one, stats }
      }
    } finally {
      closeSync(folder)
    }
  }
  yield* within(root, 1)
}
