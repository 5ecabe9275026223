/** Matches container image names against the allowed patterns, after completing them as engines do. */

/** An image name, completed. */
interface ImageName {
  registry: string
  repository: string
  /** `:tag` or `@digest`; with both, only the digest counts, as for engines. Empty without either. */
  version: string
}

const hub = 'docker.io'

/** Splits a name as Docker does: `debian` is `docker.io/library/debian`. */
const partsOf = (name: string): ImageName => {
  const slash = name.indexOf('/')
  const first = name.slice(0, Math.max(slash, 0))
  const isRegistry = /[.:A-Z]/.test(first) || first === 'localhost'
  const registry = !isRegistry || first === `index.${hub}` ? hub : first
  const rest = isRegistry ? name.slice(slash + 1) : name
  const [, path = '', tag = '', digest = ''] = /^([^:@]*)(:[^@]*)?(@.*)?$/s.exec(rest) ?? []
  const isOfficial = registry === hub && !path.includes('/') && !path.startsWith('*')
  return { registry, repository: isOfficial ? `library/${path}` : path, version: digest || tag }
}

/** Matches a pattern with `*` wildcards in at most pattern × text steps. */
const fits = (pattern: string, text: string): boolean => {
  const [first = '', ...others] = pattern.split('*')
  const last = others.pop()
  if (last === undefined) return text === pattern
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false
  let rest = text.slice(first.length, text.length - last.length)
  for (const part of others) {
    const at = rest.indexOf(part)
    if (at < 0) return false
    rest = rest.slice(at + part.length)
  }
  return true
}

/** An id refers to any local image, whatever its registry. */
const isId = (name: string): boolean => /^sha256:/i.test(name)

const isFitting = (pattern: string, image: string): boolean => {
  if (pattern === '*') return true
  if (isId(image)) return false
  const [allowed, asked] = [partsOf(pattern), partsOf(image)]
  return (
    fits(allowed.registry, asked.registry) &&
    fits(allowed.repository, asked.repository) &&
    (allowed.version === '' || fits(allowed.version, asked.version || ':latest'))
  )
}

export const isAllowedImage = (patterns: readonly string[], image: string): boolean =>
  patterns.some((pattern) => isFitting(pattern, image))

const word = /^(\*|[a-z0-9*][\w.\-/:@*]{0,254})$/i

/** Parses a comma-separated list of patterns, empty for `none`; undefined when malformed. */
export const readImagePatterns = (text: string): string[] | undefined => {
  const patterns = text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
  if (patterns.length === 1 && patterns[0] === 'none') return []
  const isList = patterns.length > 0 && patterns.every((pattern) => word.test(pattern) && pattern !== 'none')
  return isList ? patterns : undefined
}
