import { existsSync, readdirSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ourFiles, root, textOf } from './source-files.ts'

const markdownIn = (folder: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => posix.join(folder, name))

const guides = markdownIn('docs')
const pages = [...markdownIn('.'), ...guides, ...markdownIn('docs/reference'), ...markdownIn('docs/decisions')]

const withoutCode = (text: string): string => text.replace(/^ *```[\s\S]*?^ *```/gm, '')

/** The anchor that GitHub gives to a heading, before it numbers repetitions. */
const slug = (heading: string): string =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

const anchorsIn = (text: string): Set<string> => {
  const seen = new Map<string, number>()
  const anchors = new Set<string>()
  for (const [, heading = ''] of withoutCode(text).matchAll(/^#{1,6} (.+)$/gm)) {
    const name = slug(heading.trim())
    const before = seen.get(name) ?? 0
    seen.set(name, before + 1)
    anchors.add(before === 0 ? name : `${name}-${before}`)
  }
  return anchors
}

const known = new Map<string, Set<string>>()

const anchorsOf = (page: string): Set<string> => {
  const anchors = known.get(page) ?? anchorsIn(textOf(page))
  known.set(page, anchors)
  return anchors
}

const linksOf = (text: string): string[] =>
  [...withoutCode(text).matchAll(/\]\(([^()\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))

/** Says what is wrong with a link, or nothing. */
const faultOf = (page: string, link: string): string | undefined => {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? page : posix.join(posix.dirname(page), path)
  if (!existsSync(join(root, target))) return `${page}: ${link}: there is no ${target}`
  if (anchor === undefined || anchorsOf(target).has(anchor)) return undefined
  return `${page}: ${link}: ${target} has no heading #${anchor}`
}

describe('links of the documentation', () => {
  it('lead to a file, and to a heading in it', () => {
    const faults = pages.flatMap((page) => linksOf(textOf(page)).map((link) => faultOf(page, link)))
    expect(faults.filter((fault) => fault !== undefined)).toEqual([])
    expect(faults.length).toBeGreaterThan(100)
  })

  it.each(['nowhere.md', 'backup.md#nowhere', '#nowhere', '../NOWHERE.md'])('%s would be found', (link) => {
    expect(faultOf('docs/README.md', link)).toMatch(/nowhere/i)
  })

  it('reach every guide from docs/README.md', () => {
    const linked = new Set(linksOf(textOf('docs/README.md')).map((link) => posix.join('docs', link)))
    expect(guides.filter((page) => page !== 'docs/README.md' && !linked.has(page))).toEqual([])
  })

  it('name pages that exist, in messages and comments of the code too', () => {
    const named = ourFiles.flatMap((path) => [...textOf(path).matchAll(/docs\/[\w/-]+\.md/g)].map(([page]) => page))
    expect(named.filter((page) => !existsSync(join(root, page)))).toEqual([])
  })
})
