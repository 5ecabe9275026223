import { expect, it } from 'vitest'
import { docHref, drawingHref, fragmentOf } from './page.tsx'

it.each<[string, string, string | undefined]>([
  ['workflows', 'paths.md', '/docs/paths'],
  ['workflows', 'paths.md#when-a-path-finds-nothing', '/docs/paths#when-a-path-finds-nothing'],
  ['workflows', '#here', '#here'],
  ['workflows', 'reference/api.md', '/docs/reference/api'],
  ['reference/activities', '../paths.md', '/docs/paths'],
  ['decisions/0001-dependencies', '0002-plain-sql.md', '/docs/decisions/0002-plain-sql'],
  ['workflows', 'README.md', '/docs'],
  ['workflows', 'https://example.com/x.md', 'https://example.com/x.md'],
  ['workflows', '../ARCHITECTURE.md', undefined],
  ['workflows', '../../etc/passwd.md', undefined],
  ['workflows', 'javascript:alert(1)', undefined],
  ['workflows', '//example.com/x.md', undefined],
  ['workflows', 'images/run.png', undefined],
])('on %s the link %s leads to %s', (page, href, expected) => {
  expect(docHref(page, href)?.href).toBe(expected)
})

it.each<[string, string | undefined]>([
  ['drawings/concepts.svg', '/docs/drawings/concepts.svg'],
  ['https://example.com/a.svg', undefined],
  ['images/run.png', undefined],
  ['../drawings/concepts.svg', undefined],
])('the image %s is at %s', (source, expected) => {
  expect(drawingHref('concepts', source)).toBe(expected)
})

it.each([
  ['#retries%2Dand%20more', 'retries-and more'],
  ['#50%-off', '50%-off'],
  ['', ''],
])('the fragment %s names %s', (hash, id) => {
  expect(fragmentOf(hash)).toBe(id)
})
