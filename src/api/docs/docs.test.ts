import { describe, expect, it } from 'vitest'
import { docLibrary, docSectionsOf, llmsFullText, llmsText, searchDocs, titleOf } from './routes.ts'

const library = docLibrary()

describe('a page', () => {
  it('is split at its headings, with the fragments of GitHub', () => {
    const text = '# Title `x`\nBegin\n## One *two*: a/b\nText\n```sh\n## no heading\n```\n## One *two*: a/b\n'
    expect(titleOf(text)).toBe('Title x')
    expect(docSectionsOf(text)).toEqual([
      { heading: null, anchor: null, text: 'Begin' },
      { heading: 'One two: a/b', anchor: 'one-two-ab', text: 'Text\n```sh\n## no heading\n```' },
      { heading: 'One two: a/b', anchor: 'one-two-ab-1', text: '' },
    ])
    expect(docSectionsOf('## `JETTY_X` and [a link](y.md)').at(1)?.anchor).toBe('jetty_x-and-a-link')
  })
})

describe('the library', () => {
  it('lists the guides in the order of the index, each once', () => {
    const pages = library.groups.flatMap(({ pages: listed }) => listed.map(({ page }) => page))
    expect(new Set(pages).size).toBe(pages.length)
    expect(pages.slice(0, 2)).toEqual(['tour', 'concepts'])
    const guides = [...library.pages.keys()].filter((page) => !page.includes('/') && page !== 'README')
    expect(guides.filter((page) => !pages.includes(page))).toEqual([])
  })

  it('is listed for language models, and there as one text', () => {
    expect(llmsText(library)).toMatch(/^# Jetty\n\n> /)
    expect(llmsText(library)).toContain('- [Write a workflow](/docs/workflows.md)')
    const whole = llmsFullText(library)
    for (const page of ['workflows', 'reference/api']) expect(whole).toContain(`<!-- /docs/${page}.md -->`)
  })
})

describe('a search', () => {
  it.each([
    ['idempotency key', 'retries'],
    ['cron schedule', 'routines'],
    ['bubblewrap', 'sandbox'],
    ['JETTY_STORAGE', 'storage'],
  ])('for %s leads to a page about it', (q, name) => {
    const found = searchDocs(library, q, 10)
    expect(found.map(({ page }) => page).join(' ')).toContain(name)
    for (const word of q.toLowerCase().split(' ')) {
      expect(`${JSON.stringify(found[0])}${library.pages.get(found[0]?.page ?? '')?.markdown}`.toLowerCase()).toContain(
        word,
      )
    }
  })

  it('finds nothing for a word that is nowhere, and for no word', () => {
    expect(searchDocs(library, 'workflow xyzzyplugh', 10)).toEqual([])
    expect(searchDocs(library, '  ', 10)).toEqual([])
  })
})
