import { expect, it } from 'vitest'
import { childKey, keysAbove, rootKey } from './run-keys.ts'

it.each(['0f8b', 'routine/7/2026-11-28T12:00:00.000Z'])('finds the runs above one below %s', (root) => {
  const child = childKey(root, 2, 31)
  const grandchild = childKey(child, 0, 4)
  expect(keysAbove({ key: root, depth: 0 })).toEqual([])
  expect(keysAbove({ key: child, depth: 1 })).toEqual([root])
  expect(keysAbove({ key: grandchild, depth: 2 })).toEqual([child, root])
  expect(rootKey({ key: root, depth: 0 })).toBe(root)
  expect(rootKey({ key: grandchild, depth: 2 })).toBe(root)
})
