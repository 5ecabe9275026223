import { expect, it } from 'vitest'
import { allPages } from './all-pages.ts'

it('reads until a page is not full', async () => {
  const all = Array.from({ length: 25 }, (_, at) => at)
  expect(await allPages(10, async ({ skip, limit }) => all.slice(skip, skip + limit))).toEqual(all)
})

it('takes the answer of a server that knows no skip once', async () => {
  expect(await allPages(2, async () => [{ name: 'a' }, { name: 'b' }, { name: 'c' }])).toHaveLength(3)
})

it('gives up a list without an end', async () => {
  const endless = allPages(1000, async ({ skip, limit }) => Array.from({ length: limit }, (_, at) => skip + at))
  await expect(endless).rejects.toMatchObject({ code: 'too_large' })
})
