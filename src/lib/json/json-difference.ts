/** The paths at which two JSON values differ, as a workflow writes them, and whether there are more. */
interface JsonDifference {
  paths: string[]
  more: boolean
}

const mostDeep = 100

/** Lists at most that many paths, in order of occurrence. An element that only one value has counts as one path. */
export const jsonDifference = (left: unknown, right: unknown, most: number): JsonDifference => {
  const paths: string[] = []
  let more = false
  const add = (path: string) => {
    if (paths.length < most) paths.push(path)
    else more = true
  }
  const walk = (one: unknown, other: unknown, path: string, depth: number): void => {
    if (more || one === other) return
    if (depth < mostDeep && isBranch(one) && isBranch(other) && Array.isArray(one) === Array.isArray(other)) {
      for (const key of keysOf(one, other)) {
        walk(valueAt(one, key), valueAt(other, key), append(path, key, Array.isArray(one)), depth + 1)
      }
    } else add(path)
  }
  walk(left, right, '', 0)
  return { paths, more }
}

type Branch = Record<string, unknown> | unknown[]

const isBranch = (value: unknown): value is Branch => typeof value === 'object' && value !== null

/** Keys of both values, those of the first one first. */
const keysOf = (one: Branch, other: Branch): Iterable<string> => new Set([...Object.keys(one), ...Object.keys(other)])

const valueAt = (branch: Branch, key: string): unknown =>
  Object.hasOwn(branch, key) ? (branch as Record<string, unknown>)[key] : undefined

const append = (path: string, key: string, isElement: boolean): string => {
  if (isElement) return `${path}[${key}]`
  if (!/^[\w-]+$/.test(key)) return `${path}['${key}']`
  return path === '' ? key : `${path}.${key}`
}
