import { expect, it } from 'vitest'
import { noteEvents, readAndCatchUp } from './catch-up.ts'

const join = (value: string, events: readonly string[]): string => [value, ...events].join(' ')

it('applies events to the reads that began before them, and to no other', async () => {
  let answer = (_: string) => {}
  const slow = () =>
    new Promise<string>((resolve) => {
      answer = resolve
    })
  const before = readAndCatchUp(['run', 'a'], slow, join)
  const ofOther = readAndCatchUp(['run', 'b'], async () => 'other', join)
  noteEvents(['run', 'a'], ['one', 'two'])
  const after = readAndCatchUp(['run', 'a'], async () => 'new', join)
  noteEvents(['run', 'a'], ['three'])
  answer('old')
  expect(await Promise.all([before, after, ofOther])).toEqual(['old one two three', 'new three', 'other'])
})

it('forgets a read that failed', async () => {
  const failing = readAndCatchUp<string, string>(['run', 'a'], () => Promise.reject(new Error('away')), join)
  await expect(failing).rejects.toThrow('away')
  noteEvents(['run', 'a'], ['one'])
  expect(await readAndCatchUp(['run', 'a'], async () => 'new', join)).toBe('new')
})
