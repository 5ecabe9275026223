interface Leaf<T> {
  value: T
  names: string[]
}

interface Node<T> {
  fixed: Map<string, Node<T>>
  parameter: Node<T> | undefined
  rest: Map<string, Leaf<T>>
  methods: Map<string, Leaf<T>>
}

export interface Match<T> {
  value: T
  params: Record<string, string>
}

const newNode = <T>(): Node<T> => ({ fixed: new Map(), parameter: undefined, rest: new Map(), methods: new Map() })

const decode = (segment: string): string | undefined => {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/**
 * The segments of a request target, each percent-decoded exactly once after splitting. Empty segments collapse, since
 * clients join a base URL that ends with a slash and a path that begins with one.
 * Undefined for what no route may see: dot segments, backslashes, NUL, bad percent encoding. It works on the
 * target as it was sent, because a parsed URL has its `..` folded away already.
 */
export const splitTarget = (target: string): string[] | undefined => {
  const end = target.search(/[?#]/)
  const whole = end === -1 ? target : target.slice(0, end)
  const path = whole.startsWith('/') ? whole : whole.replace(/^https?:\/\/[^/]*/i, '')
  if (path === '/' || path === '') return []
  if (!path.startsWith('/') || path.includes('\\')) return undefined
  const parts = path.split('/').filter((part) => part !== '')
  for (let i = 0; i < parts.length; i++) {
    const part = decode(parts[i]!)
    if (!part || part === '.' || part === '..' || part.includes('\0')) return undefined
    parts[i] = part
  }
  return parts
}

/**
 * Finds the route of a path. Fixed segments win over parameters. A path without a route for the method gets another
 * answer than an unknown path.
 */
export const makeRouter = <T>() => {
  const root = newNode<T>()

  const add = (method: string, path: string, value: T): void => {
    const names: string[] = []
    let node = root
    let leaves = node.methods
    for (const segment of path.split('/').filter(Boolean)) {
      const name = segment.startsWith('{') ? segment.slice(1, -1) : undefined
      if (name?.endsWith('...')) {
        names.push(name.slice(0, -3))
        leaves = node.rest
        break
      }
      if (name === undefined) {
        const next = node.fixed.get(segment) ?? newNode<T>()
        node.fixed.set(segment, next)
        node = next
      } else {
        names.push(name)
        node.parameter ??= newNode<T>()
        node = node.parameter
      }
      leaves = node.methods
    }
    if (leaves.has(method)) throw new Error(`${method} ${path} is declared twice`)
    leaves.set(method, { value, names })
  }

  /** Calls `take` with each matching set of leaves, the best first, until it returns true. */
  const walk = (
    node: Node<T>,
    segments: string[],
    at: number,
    values: string[],
    take: (leaves: Map<string, Leaf<T>>, values: string[]) => boolean,
  ): boolean => {
    const segment = segments[at]
    if (segment === undefined) return node.methods.size > 0 && take(node.methods, values)
    const fixed = node.fixed.get(segment)
    if (fixed && walk(fixed, segments, at + 1, values, take)) return true
    if (node.parameter && walk(node.parameter, segments, at + 1, [...values, segment], take)) return true
    if (node.rest.size === 0) return false
    const rest = segments.slice(at)
    return !rest.some((part) => /[/\\]/.test(part)) && take(node.rest, [...values, rest.join('/')])
  }

  /** The route; or the methods that the path knows; or undefined for an unknown path. */
  const find = (method: string, segments: string[]): Match<T> | { allow: string[] } | undefined => {
    const allow = new Set<string>()
    let match: Match<T> | undefined
    const wanted = method === 'HEAD' ? 'GET' : method
    walk(root, segments, 0, [], (leaves, values) => {
      const leaf = leaves.get(wanted)
      if (leaf) {
        const params: Record<string, string> = {}
        for (let i = 0; i < values.length; i++) params[leaf.names[i]!] = values[i]!
        match = { value: leaf.value, params }
        return true
      }
      for (const known of leaves.keys()) {
        allow.add(known)
        if (known === 'GET') allow.add('HEAD')
      }
      return false
    })
    return match ?? (allow.size > 0 ? { allow: [...allow].sort() } : undefined)
  }

  return { add, find }
}
