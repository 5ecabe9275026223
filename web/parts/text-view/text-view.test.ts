import { expect, it } from 'vitest'
import { looksLikeMarkdown } from './text-view.tsx'

it.each([
  ['# Title', true],
  ['a **bold** word', true],
  ['- one\n- two', true],
  ['1. one\n2. two', true],
  ['```js\nx\n```', true],
  ['| a | b |\n| --- | --- |\n| 1 | 2 |', true],
  ['see [this](https://example.com)', true],
  ['plain words, 2 * 3 * 4', false],
  ['- one line', false],
  ['#hashtag', false],
  ['{"a": [1, 2]}', false],
])('%j: %s', (text, expected) => {
  expect(looksLikeMarkdown(text)).toBe(expected)
})
