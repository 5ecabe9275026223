import { expect, it } from 'vitest'
import type { JobNeeds } from '../../store/workers/jobs.ts'
import { makeWaitingPolls, type WaitingPoll } from './waiting-polls.ts'

const job: JobNeeds = { collection: 1, activity: 'a.b', labels: [], version: null }

const pollOf = (workerId: string, more: Partial<WaitingPoll> = {}) => {
  const rings: string[] = []
  const poll: WaitingPoll = {
    workerId,
    labels: new Set(),
    collectionIds: null,
    offers: new Map([['a.b', { version: '1', isLimited: true }]]),
    full: new Set(),
    news: [],
    ring: () => void rings.push('ring'),
    end: () => void rings.push('end'),
    ...more,
  }
  return { poll, rings }
}

it('tells the poll that has waited longest and can do the job', () => {
  const polls = makeWaitingPolls()
  const none = new Set<number>()
  const all = [
    pollOf('other collection', { collectionIds: none }),
    pollOf('first'),
    pollOf('second'),
    pollOf('other version', { offers: new Map([['a.b', { version: '2', isLimited: false }]]) }),
  ]
  for (const { poll } of all) polls.add(poll)
  polls.tell({ ...job, version: '1' })
  polls.tell({ ...job, version: '1' })
  polls.tell({ ...job, labels: ['gpu'] })
  expect(all.map(({ rings }) => rings.length)).toEqual([0, 1, 1, 0])
})

it('passes over a worker that has enough of an activity, until it has room', () => {
  const polls = makeWaitingPolls()
  const [full, other] = [pollOf('full', { full: new Set(['a.b']) }), pollOf('other')]
  for (const { poll } of [full, other]) polls.add(poll)
  polls.tell(job)
  expect([full.rings, other.rings]).toEqual([[], ['ring']])
  polls.freed('full')
  expect(full.rings).toEqual(['ring'])
  polls.tell(job)
  expect(full.poll.news).toEqual([job])
})

it('knows that a worker found nothing, until there is news for it', () => {
  const polls = makeWaitingPolls()
  const { poll } = pollOf('one')
  expect(polls.isQuiet(poll)).toBe(false)
  polls.noteQuiet('one', polls.news)
  expect(polls.isQuiet(poll)).toBe(true)
  polls.tell({ ...job, activity: 'c.d' })
  expect(polls.isQuiet(poll)).toBe(true)
  for (const news of [() => polls.tell(job), () => polls.tellAll(), () => polls.freed('one')]) {
    polls.noteQuiet('one', polls.news)
    news()
    expect(polls.isQuiet(poll)).toBe(false)
  }
})
