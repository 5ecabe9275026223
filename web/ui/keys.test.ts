import { expect, test } from 'vitest'
import { keyName } from './keys.ts'
import { nextItem } from './menu.tsx'

const none = { shiftKey: false, ctrlKey: false, metaKey: false, altKey: false }

test.each([
  [{ key: 'j' }, 'j'],
  [{ key: 'X', shiftKey: true }, 'shift+x'],
  [{ key: '?', shiftKey: true }, '?'],
  [{ key: 'k', metaKey: true }, 'mod+k'],
  [{ key: 'k', ctrlKey: true }, 'mod+k'],
  [{ key: 'Enter', ctrlKey: true }, 'mod+enter'],
  [{ key: 'Enter', shiftKey: true }, 'shift+enter'],
  [{ key: 'Escape' }, 'esc'],
  [{ key: ' ' }, 'space'],
  [{ key: 'ArrowDown' }, 'down'],
  [{ key: 'Shift', shiftKey: true }, undefined],
  [{ key: 'j', altKey: true }, undefined],
])('%j is %s', (pressed, name) => {
  expect(keyName({ ...none, ...pressed })).toBe(name)
})

test.each([
  ['ArrowDown', 0, 1],
  ['ArrowDown', 3, 0],
  ['ArrowUp', 0, 3],
  ['ArrowUp', -1, 3],
  ['Home', 2, 0],
  ['End', 0, 3],
  ['c', 0, 2],
  ['c', 2, 3],
  ['x', 0, undefined],
  ['Tab', 0, undefined],
])('%s at %i of a menu leads to %s', (key, at, next) => {
  expect(nextItem(key, at, ['Add', 'Bin', 'Copy', 'Cut'])).toBe(next)
})

test('a menu without items leads nowhere', () => {
  expect(nextItem('ArrowDown', -1, [])).toBeUndefined()
})
