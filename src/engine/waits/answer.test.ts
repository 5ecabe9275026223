import { expect, it } from 'vitest'
import type { Queries } from '../../store/database/database.ts'
import { makeWatches } from './answer.ts'

it('gives a step its answer before the run leaves memory, if nobody heard of the answer', async () => {
  const answered = [{ run_id: 'run', seq: 1 }]
  const watches = makeWatches({ rows: async () => answered } as unknown as Queries)
  const told: string[] = []
  for (const seq of [1, 2])
    watches.watch({
      ...{ runKey: 'run', seq, asked: 'approvals' },
      isToPark: () => true,
      tell: (news) => told.push(`${seq} ${news}`),
    })
  await watches.look()
  expect(told).toEqual(['1 again', '2 park'])
})
