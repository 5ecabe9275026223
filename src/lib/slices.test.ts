import { expect, test } from 'vitest'
import { nextSlice } from './slices.ts'

const block = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end; );
}

test('after work that kept the thread for long, others have it as long, before the next slice', async () => {
  const done: string[] = []
  const long = nextSlice().then(() => {
    block(60)
    done.push('long')
    setTimeout(() => done.push('a timer of another'), 5)
  })
  await Promise.all([long, nextSlice().then(() => done.push('next'))])
  expect(done).toEqual(['long', 'a timer of another', 'next'])
})

test('owners take turns, each in its order', async () => {
  const done: string[] = []
  const slice = (owner: string, name: string) => nextSlice(owner).then(() => done.push(name))
  await Promise.all([slice('a', 'a1'), slice('a', 'a2'), slice('a', 'a3'), slice('b', 'b1')])
  expect(done).toEqual(['a1', 'b1', 'a2', 'a3'])
})
