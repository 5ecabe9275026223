import { expect, it } from 'vitest'
import { makeLatest } from './latest.ts'

it('gives only what the last call asked for, whichever comes first', async () => {
  const latest = makeLatest()
  let answer = (_: string) => {}
  const slow = latest(
    new Promise<string>((resolve) => {
      answer = resolve
    }),
  )
  const quick = latest(Promise.resolve('second'))
  answer('first')
  expect(await Promise.all([slow, quick])).toEqual([undefined, 'second'])
  const dropped = latest(Promise.resolve('third'))
  void latest(undefined)
  expect(await dropped).toBeUndefined()
})
