/** Pages that the documentation has: guides, and those of two folders. */
const pagePattern = /^(?:(?:reference|decisions)\/)?[\w.-]+$/

const folded = (path: string): string | undefined => {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..' && parts.pop() === undefined) return undefined
    if (part !== '..' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/**
 * Where a link of a page leads: another page, or another site. Undefined for files that the server does not have, such as
 * source code. `page` is the page that the link stands on.
 */
export const docHref = (page: string, href: string): { href: string; isPage: boolean } | undefined => {
  if (/^(https?|mailto):/.test(href)) return { href, isPage: false }
  if (href.startsWith('#')) return { href, isPage: true }
  const [path = '', anchor] = href.split('#')
  const target = folded(`${page.slice(0, page.lastIndexOf('/') + 1)}${path}`)
  const name = target?.replace(/\.md$/, '')
  const fragment = anchor === undefined ? '' : `#${anchor}`
  if (target === undefined || !target.endsWith('.md') || name === undefined || !pagePattern.test(name)) return undefined
  return { href: name === 'README' ? `/docs${fragment}` : `/docs/${name}${fragment}`, isPage: true }
}

/** Address of a drawing of a page; undefined for every other image. */
export const drawingHref = (page: string, source: string): string | undefined => {
  const target = folded(`${page.slice(0, page.lastIndexOf('/') + 1)}${source}`)
  return target !== undefined && /^drawings\/[\w-]+\.svg$/.test(target) ? `/docs/${target}` : undefined
}

/** The id that the fragment of an address names; a fragment that is wrongly encoded names itself. */
export const fragmentOf = (hash: string): string => {
  const text = hash.slice(1)
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
