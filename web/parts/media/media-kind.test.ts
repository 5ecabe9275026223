import { expect, it } from 'vitest'
import { fileAddress, filesNamedIn, shownAs } from './media-kind.ts'

it.each([
  ['a.png', undefined, 'image'],
  ['a.PNG', undefined, 'image'],
  ['a.bin', 'image/webp', 'image'],
  ['a.png', 'image/svg+xml', 'file'],
  ['a.svg', undefined, 'file'],
  ['page.html', undefined, 'file'],
  ['a.txt', 'text/html; charset=utf-8', 'file'],
  ['a', 'text/plain; charset=utf-8', 'text'],
  ['a.mp3', undefined, 'audio'],
  ['a.mp4', 'video/mp4', 'video'],
  ['a.pdf', 'application/octet-stream', 'pdf'],
  ['a.csv', 'text/csv', 'csv'],
  ['a.json', undefined, 'json'],
  ['notes.md', undefined, 'markdown'],
  ['constructor', undefined, 'file'],
  ['a.constructor', undefined, 'file'],
])('%s of type %s is shown as %s', (name, type, kind) => {
  expect(shownAs(name, type)).toBe(kind)
})

it('finds the files that a value names, each once', () => {
  const image = {
    path: 'acme/draw/0000/x/image.png',
    name: 'image.png',
    extension: 'png',
    content_type: 'image/png',
    size: 7,
  }
  const value = {
    images: [image],
    again: image.path,
    text: 'acme/ is a collection',
    other: 'shop/a.png',
    deep: [['acme/t/a.csv']],
  }
  expect(filesNamedIn(value, 'acme').map(({ path, kind, size }) => [path, kind, size])).toEqual([
    ['acme/draw/0000/x/image.png', 'image', 7],
    ['acme/t/a.csv', 'csv', undefined],
  ])
})

it('encodes the address of a file', () => {
  expect(fileAddress('acme/t/a b#?.png', true)).toBe('/api/v1/file/acme/t/a%20b%23%3F.png?inline=1')
})
