// The documentation as the server sends it: the pages of this repository, and the document of its API.
import { docLibrary, searchDocs } from '../../src/api/docs/routes.ts'
import type { FixtureAnswer } from '../../web/fixtures/fixture.ts'

const json = (body: unknown): FixtureAnswer => ({ status: 200, type: 'application/json', body: JSON.stringify(body) })

let openApi: string | undefined

/** Loads the contracts on first use: few tests need them. */
const apiDocument = async (): Promise<string> => {
  const { makeReference } = await import('../../src/api/reference.ts')
  openApi ??= makeReference({ version: '0.0.0' }).openApi()
  return openApi
}

/** The answer to a request for the documentation; undefined for other requests, and for pages that are not there. */
export const docsAnswer = async (address: string): Promise<FixtureAnswer | undefined> => {
  const { pathname, searchParams } = new URL(address, 'http://fixture')
  if (pathname === '/openapi.json') return { ...json(null), body: await apiDocument() }
  if (pathname === '/api/v1/docs') return json({ groups: docLibrary().groups })
  if (pathname === '/api/v1/docs/search') {
    return json({ matches: searchDocs(docLibrary(), searchParams.get('q') ?? '', Number(searchParams.get('limit'))) })
  }
  const [, page = ''] = /^\/docs\/(.+)$/.exec(pathname) ?? []
  const svg = docLibrary().drawings.get(page)
  if (svg !== undefined) return { status: 200, type: 'image/svg+xml', body: svg }
  if (!page.endsWith('.md')) return undefined
  const found = docLibrary().pages.get(page.slice(0, -3))
  if (found) return { status: 200, type: 'text/markdown; charset=utf-8', body: found.markdown }
  const said = { detail: `There is no page '${page}' in the documentation`, code: 'not_found' }
  const body = JSON.stringify({ ...said, hint: '/llms.txt lists all pages.' })
  return { status: 404, type: 'application/json', body }
}
