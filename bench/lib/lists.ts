import type { Database, Queries } from '../../src/store/database/database.ts'
import type { Child } from './children.ts'
import type { HttpRequest } from './http-process.ts'

/** Queries that have no rows: the plan of each is added to `lines`. */
export const explaining = (database: Database, lines: string[]): Queries => {
  const query = async (text: string, values?: unknown[]) => {
    const plan = await database.query<{ 'QUERY PLAN': string }>(`explain (analyze, timing off) ${text}`, values)
    lines.push(...plan.map((line) => `  ${line['QUERY PLAN']}`))
    return []
  }
  return { query, rows: (_, text, values) => query(text, values) }
}

const pagesOfWalk = 10

/** So many requests for pages that follow one another by cursor, from the first page on after each ten. */
export const walk = async (client: Child, path: string, count: number): Promise<HttpRequest[]> => {
  const requests: HttpRequest[] = []
  let cursor = ''
  while (requests.length < count) {
    const request: HttpRequest = { method: 'GET', path: `${path}&cursor=${cursor}` }
    requests.push(request)
    const page = JSON.parse(await client.ask<string>('send', request)) as { next_cursor: string | null; total?: number }
    if (page.total !== undefined) throw new Error('a page by cursor has a total')
    cursor = (requests.length % pagesOfWalk === 0 ? null : page.next_cursor) ?? ''
  }
  return requests
}
