import { sanitizeSegment, splitName } from '../../../lib/files/file-names.ts'

/** Makes a function that renames repeated paths, so that no file shares its path with another file or folder. */
export const distinctPaths = (): ((path: string) => string) => {
  const given = new Map<string, number>()
  const folders = new Set<string>()
  return (path) => {
    const segments = path.split('/')
    const base = segments.pop() ?? ''
    let above = ''
    for (const segment of segments) {
      let folder = above + segment
      for (let count = 1; given.has(folder); count++) folder = above + sanitizeSegment(`${segment}-${count}`)
      folders.add(folder)
      above = `${folder}/`
    }
    const [stem, extension] = splitName(base)
    const wanted = above + base
    let count = given.get(wanted) ?? 0
    let name = wanted
    while (given.has(name) || folders.has(name)) {
      name = above + sanitizeSegment(`${stem}-${++count}${extension}`)
    }
    if (given.has(wanted)) given.set(wanted, count)
    given.set(name, 0)
    return name
  }
}
