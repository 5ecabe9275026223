import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { DocGroup } from './contract.ts'
import { type DocSection, docSectionsOf, titleOf } from './sections.ts'

/** A page of the documentation. */
export interface DocPage {
  /** Name without `.md`, such as `workflows` or `reference/api`. */
  page: string
  title: string
  markdown: string
  sections: DocSection[]
}

/** The documentation in memory: no path of a request reaches the file system. */
export interface DocLibrary {
  pages: ReadonlyMap<string, DocPage>
  /** Drawings by their path, such as `drawings/concepts.svg`. */
  drawings: ReadonlyMap<string, string>
  /** What readers are shown: groups of pages in the order of the index. */
  groups: DocGroup[]
}

/** Folder of the documentation; a package has it beside `dist`. */
const docsFolder = new URL('../../../docs/', import.meta.url)

/**
 * Served folders below it; the empty name stands for the folder itself. Pictures are not served, because packages do
 * not contain them.
 */
const folders = ['', 'reference/', 'decisions/'] as const

const filesIn = (folder: URL, ending: string): [name: string, text: string][] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(ending))
        .sort()
        .map((name) => [name, readFileSync(new URL(name, folder), 'utf8')])
    : []

const readPages = (): Map<string, DocPage> => {
  const pages = new Map<string, DocPage>()
  for (const folder of folders) {
    for (const [name, markdown] of filesIn(new URL(folder, docsFolder), '.md')) {
      const page = `${folder}${name.slice(0, -3)}`
      pages.set(page, { page, title: titleOf(markdown) ?? page, markdown, sections: docSectionsOf(markdown) })
    }
  }
  return pages
}

/** The index groups pages by its headings, and names them in its links. */
const readGroups = (pages: ReadonlyMap<string, DocPage>): DocGroup[] => {
  const listed = new Set<string>()
  return (pages.get('README')?.sections ?? []).flatMap(({ heading, text }) => {
    const names = [...text.matchAll(/\]\(([\w/-]+)\.md\)/g)].map(([, name]) => name ?? '')
    const fresh = names.filter((name) => pages.has(name) && !listed.has(name))
    for (const name of fresh) listed.add(name)
    const found = fresh.map((page) => ({ page, title: pages.get(page)?.title ?? page }))
    return found.length === 0 ? [] : [{ title: heading ?? 'Start', pages: found }]
  })
}

let read: DocLibrary | undefined

/** Reads the documentation, once. A package without it has no pages. */
export const docLibrary = (): DocLibrary => {
  if (read) return read
  const pages = readPages()
  const drawings = filesIn(new URL('drawings/', docsFolder), '.svg')
  read = {
    pages,
    drawings: new Map(drawings.map(([name, text]) => [`drawings/${name}`, text])),
    groups: readGroups(pages),
  }
  return read
}
