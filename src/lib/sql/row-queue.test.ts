import { expect, it } from 'vitest'
import { makeRowQueue } from './row-queue.ts'

const queueWithLog = () => {
  const log: string[] = []
  return { log, queue: makeRowQueue({ pause: () => log.push('pause'), resume: () => log.push('resume') }) }
}

it('a connection waits while its reader is behind, and goes on afterwards, also after the last row', async () => {
  const { log, queue } = queueWithLog()
  const batches: unknown[][][] = []
  for (let row = 0; row < 3; row += 1) queue.add([row], 200_000)
  expect(log).toEqual(['pause', 'pause'])
  queue.end()
  expect(log.at(-1)).toBe('resume')
  for await (const batch of queue.rows) batches.push(batch)
  expect(batches).toEqual([[[0], [1], [2]]])
})

it('a reader waits for rows, and gets the error after them', async () => {
  const { queue } = queueWithLog()
  const rows = queue.rows[Symbol.asyncIterator]()
  const first = rows.next()
  queue.add(['a'], 1)
  expect(await first).toEqual({ done: false, value: [['a']] })
  const second = rows.next()
  queue.fail(new Error('cut off'))
  queue.fail(new Error('too late'))
  await expect(second).rejects.toThrow('cut off')
})
