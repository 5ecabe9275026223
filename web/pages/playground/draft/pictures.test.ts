import { expect, it } from 'vitest'
import { mostPictureBytes, pictureFault } from './pictures.ts'

it.each([
  ['image/png', 10, undefined],
  ['image/webp', mostPictureBytes, undefined],
  ['image/svg+xml', 10, 'Models take PNG, JPEG, WebP and GIF images'],
  ['text/html', 10, 'Models take PNG, JPEG, WebP and GIF images'],
  ['image/png', mostPictureBytes + 1, 'An image may have 8.0 MB at most'],
])('a file of type %s with %d bytes: %s', (type, size, fault) => {
  expect(pictureFault({ type, size })).toBe(fault)
})
