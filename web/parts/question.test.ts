import { expect, test } from 'vitest'
import { splitQuestion } from './question.ts'

test.each([
  ['Publish this?', { title: 'Publish this?', rest: '' }],
  ['\nPublish this?\n\n## Draft\n\ntext\n', { title: 'Publish this?', rest: '## Draft\n\ntext' }],
  ['', { title: '', rest: '' }],
])('%j is a question and the rest', (message, parts) => {
  expect(splitQuestion(message)).toEqual(parts)
})
