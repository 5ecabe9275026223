// The outcome of a script does not wait for the removal of its sandbox, which takes 10 ms on ext4.
import { expect, it } from 'vitest'
import { openScripts } from './ground.ts'

const unreachable = () => Promise.reject(new Error('no network in this test'))
const noNetwork = {
  lookup: unreachable,
  dial: () => {
    throw new Error('no network in this test')
  },
}

it('an outcome comes before its sandbox is removed; the next script waits for its place until then', async () => {
  let remove = () => {}
  const mayRemove = new Promise<void>((resolve) => (remove = resolve))
  const scripts = await openScripts({ ...noNetwork, mayRemove, total: 1 })
  const ended: number[] = []
  const run = (number: number) =>
    scripts.run({ language: 'shell', code: 'true' }).then(({ exitCode }) => {
      ended.push(number)
      expect(exitCode).toBe(0)
    })
  await run(1)
  const second = run(2)
  let isRemoved = false
  const removed = scripts.removed().then(() => (isRemoved = true))
  expect(await scripts.folders()).toHaveLength(1)
  expect([ended, isRemoved]).toEqual([[1], false])
  remove()
  await second
  await removed
  await scripts.removed()
  expect(await scripts.folders()).toEqual([])
  await scripts.close()
})
