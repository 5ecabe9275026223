import { afterAll, beforeAll, expect, it } from 'vitest'
import { newTrajectoryId } from '../../../src/lib/ids.ts'
import { makeFreeIds } from '../../../src/store/runs/runs.ts'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

it('an id that is told before it is written down is no id of a run on record', async () => {
  const task = await jetty.task({ step_configs: { a: { activity: 'text_echo', text: 'x' } }, steps: ['a'] })
  const taken = await Promise.all(Array.from({ length: 10 }, async () => (await jetty.start(task)).trajectory_id))
  let drawn = 0
  const draw = () => taken[drawn++ % 50] ?? newTrajectoryId() // every fifth is one of them
  const ids = makeFreeIds(jetty.server.database, draw)
  await ids.refill()
  const drawnIds = Array.from({ length: 300 }, ids.draw)
  expect(drawnIds.filter((id) => taken.includes(id))).toEqual([])
  expect(new Set(drawnIds).size).toBe(300)
})

it('ids are drawn as they come while nobody can look them up, and looked up again afterwards', async () => {
  const asked: boolean[] = []
  let away = true
  const database = {
    rows: async () => {
      asked.push(away)
      if (away) throw new Error('away')
      return []
    },
  }
  let drawn = 0
  const ids = makeFreeIds(database, () => String(drawn++))
  expect(ids.draw()).toMatch(/^\d+$/)
  await ids.refill()
  away = false
  ids.draw()
  await ids.refill()
  const before = drawn
  for (let at = 0; at < 300; at++) ids.draw()
  expect(drawn).toBe(before) // all of them came out of the stock
  expect(asked).toEqual([true, false])
})
