import { expect, it } from 'vitest'
import type { Queries } from '../../store/database/database.ts'
import { emptyEnvironment } from '../environment/environment.ts'
import { Fenced } from '../journal/journal-sender.ts'
import type { StepAtWork } from '../steps/step-at-work.ts'
import { awaitEvent } from './event.ts'

it('leaves a kept event if another process has ended the run, and does not look for it for ever', async () => {
  const answers: Record<string, object[]> = {
    kept_events: [{ number: 1, event_id: 'a', payload: '{}' }],
    take_kept_event: [{ taken: 0 }],
  }
  let asked = 0
  const rows = async (name: string): Promise<object[]> => {
    if (++asked > 50) throw new Error('It looks for ever')
    return answers[name] ?? [] // there is no row of the wait
  }
  const run = { key: 'run', task: 'task', trajectoryId: 't-1', collectionId: 1, underWay: 1 }
  const work = {
    lease: { id: 'lease', epoch: 1 },
    run: { ...run, environment: emptyEnvironment },
    place: { name: 'paid', step: { name: 'paid' } },
    row: { name: 'paid', seq: 0 },
    side: { warnings: [], files: [] },
  } as unknown as StepAtWork
  const deps = {
    database: { rows } as unknown as Queries,
    journal: { add: () => Promise.reject(new Fenced()) },
    watches: { watch: () => () => {} },
    stopping: new AbortController().signal,
  }
  const asking = awaitEvent(deps, work, { event: null, key: null, schema: null, expiresAt: null })
  await expect(asking).rejects.toThrow(Fenced)
})
