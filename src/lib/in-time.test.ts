import { stat } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { afterAwake } from './in-time.ts'

const standStill = (milliseconds: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)

it.each([100, 600])(
  'what has come while the process stood still comes before the end of a wait of %i ms',
  async (ms) => {
    const order: string[] = []
    const answer = stat('.').then(() => order.push('answer'))
    const end = new Promise<void>((resolve) => {
      afterAwake(ms, () => {
        order.push('end')
        resolve()
      })
    })
    standStill(ms + 200)
    await Promise.all([answer, end])
    expect(order).toEqual(['answer', 'end'])
  },
)

it('a wait lasts as long as it is told to, and can be taken back', async () => {
  const begun = performance.now()
  let isOver = false
  const takeBack = afterAwake(10, () => {
    isOver = true
  })
  takeBack()
  await new Promise<void>((resolve) => afterAwake(400, resolve))
  expect(performance.now() - begun).toBeGreaterThan(390)
  expect(isOver).toBe(false)
})
